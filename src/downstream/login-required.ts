import { Code, GatewayError } from '../protocol/errors.ts';

/** A server wants its owner to log in, or to log in anew. Nothing of the request has had an effect. */
export class LoginRequired extends GatewayError {
  readonly serverName: string;
  readonly why: string;
  /** Where to log in, for the owner's browser. It is told to the owner's clients, and not logged or kept. */
  readonly url: string;

  /** `why`: what is the matter, to follow the server's name. */
  constructor(serverName: string, why: string, url: string) {
    super(Code.LoginRequired, `Server "${serverName}" ${why}: dragon server login ${serverName}`);
    this.serverName = serverName;
    this.why = why;
    this.url = url;
  }
}
