import type { HttpTarget } from '../db/server-record.ts';
import type { RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { nameIn, standardHeaders } from '../protocol/modern/headers.ts';
import type { ModernVersion } from '../protocol/modern/versions.ts';
import { Deadline } from './deadline.ts';
import type { ClientIdentity } from './handshake.ts';
import { endpointOf, type HttpClient } from './http-client.ts';
import { HttpExchange } from './http-exchange.ts';
import { commonHeaders, ModernHttpLink } from './modern-http-link.ts';
import type { ModernLink } from './modern-port.ts';
import { probe, UnspeakableServer } from './modern-probe.ts';
import type { Deadlines, DownstreamServer } from './port.ts';
import { TextSink } from './text-sink.ts';

export interface ErasOptions {
  readonly client: HttpClient;
  readonly identity: ClientIdentity;
  /** For the question, in milliseconds: a server of the legacy era may not answer it at all. */
  readonly deadlines: Deadlines;
}

interface Known {
  readonly revision: number;
  /** Undefined for the legacy era. */
  readonly link: ModernLink | undefined;
}

/** Which era each HTTP server is of: asked once for each revision of its record, and again once it is forgotten. */
export class Eras {
  readonly #options: ErasOptions;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<ModernLink | undefined>>();

  constructor(options: ErasOptions) {
    this.#options = options;
  }

  /** The link to a server of the modern era; undefined for the legacy one. Rejects as the question to the server fails. */
  of(server: DownstreamServer, target: HttpTarget): ModernLink | undefined | Promise<ModernLink | undefined> {
    const known = this.#known.get(server.id);
    if (known?.revision === server.revision) return known.link;
    const key = `${server.id} ${server.revision}`;
    const asking = this.#asking.get(key) ?? this.#ask(server, target).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  /** The server did not behave as one of its era, or has changed: it is asked anew. */
  forget(serverId: string): void {
    this.#known.delete(serverId);
  }

  async #ask(server: DownstreamServer, target: HttpTarget): Promise<ModernLink | undefined> {
    const { identity } = this.#options;
    const ask = (request: RequestMessage, version: ModernVersion) =>
      this.#post(server, target, request, version);
    try {
      const discovery = await probe(server.name, identity, ask);
      const link =
        discovery === undefined ? undefined : new ModernHttpLink(server, target, discovery, this.#options);
      this.#known.set(server.id, { revision: server.revision, link });
      return link;
    } catch (thrown) {
      const error = GatewayError.from(thrown);
      if (error.code === Code.Internal || error instanceof UnspeakableServer) throw error;
      // Whatever it is that it does not answer: what it says to `initialize` tells more, and the next time it is asked again.
      return undefined;
    }
  }

  #post(
    server: DownstreamServer,
    target: HttpTarget,
    request: RequestMessage,
    version: ModernVersion,
  ): Promise<string> {
    const { client, deadlines } = this.#options;
    return new Promise((resolve, reject) => {
      const sink = new TextSink(resolve, reject);
      const expired = (error: GatewayError) => {
        exchange.abandon();
        reject(error);
      };
      const deadline = new Deadline(deadlines, expired, server.name);
      const settle = () => deadline.clear();
      const exchange = new HttpExchange({
        serverName: server.name,
        id: request.id,
        sink,
        maxMessageBytes: client.maxMessageBytes,
        hasSession: false,
        isResumable: false,
        onActivity: () => {},
        onDone: settle,
        onSessionLost: settle,
        intercept: () => true,
        resume: settle,
        positionOf: () => undefined,
      });
      const { method, params } = request;
      const headers = [...commonHeaders(target), ...standardHeaders(version, method, nameIn(method, params))];
      client.dispatch(endpointOf(target.url), 'POST', headers, request.text, exchange);
    });
  }
}
