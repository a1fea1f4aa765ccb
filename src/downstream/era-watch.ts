import type { GatewayError } from '../protocol/errors.ts';
import { ErrorCode } from '../protocol/modern/wire-error.ts';
import { ForwardingSink } from './forwarding-sink.ts';
import { PostRefused } from './http-errors.ts';
import type { AnswerSink } from './port.ts';

/** In so much of an answer an error shows, in characters. */
const HEAD = 256;

const UNSUPPORTED = String(ErrorCode.UnsupportedProtocolVersion);

/** How servers with sessions refuse what comes outside one: there is no code for it, but those that they use are these. */
const NO_SESSION = /-3200[01]\D.*\b(?:session|initiali[sz]ed)\b/is;

/** Passes an answer on, and tells where it is one that a server gives which is not of the era that it was asked in. */
export class EraWatch extends ForwardingSink {
  readonly #doubt: () => void;

  constructor(sink: AnswerSink, doubt: () => void) {
    super(sink);
    this.#doubt = doubt;
  }

  override answer(body: string | Buffer): void {
    const head = typeof body === 'string' ? body.slice(0, HEAD) : body.toString('latin1', 0, HEAD);
    if (head.includes('"error"') && !head.includes('"result"') && isOfOtherEra(head)) this.#doubt();
    this.client.answer(body);
  }

  override fail(error: GatewayError): void {
    if (error instanceof PostRefused) this.#doubt();
    this.client.fail(error);
  }
}

function isOfOtherEra(error: string): boolean {
  return error.includes(UNSUPPORTED) || NO_SESSION.test(error);
}
