import type { HttpTarget, ServerEra } from '../db/server-record.ts';
import type { RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { nameIn, standardHeaders } from '../protocol/modern/headers.ts';
import type { ModernVersion } from '../protocol/modern/versions.ts';
import { Deadline } from './deadline.ts';
import type { ClientIdentity } from './handshake.ts';
import { type Dispatch, endpointOf } from './http-client.ts';
import { HttpExchange } from './http-exchange.ts';
import { commonHeaders, ModernHttpLink } from './modern-http-link.ts';
import type { ModernLink } from './modern-port.ts';
import { probe, UnspeakableServer } from './modern-probe.ts';
import type { Deadlines, DownstreamServer } from './port.ts';
import { usesIn } from './server-id.ts';
import { TextSink } from './text-sink.ts';

export interface ErasOptions {
  readonly client: (server: DownstreamServer, target: HttpTarget) => Dispatch;
  readonly identity: ClientIdentity;
  /** For the question, in milliseconds: a server of the legacy era may not answer it at all. */
  readonly deadlines: Deadlines;
  /** A server was asked, and this is what it speaks. */
  readonly found: (server: DownstreamServer, era: 'legacy' | 'modern') => void;
}

interface Known {
  readonly revision: number;
  /** Undefined for the legacy era. */
  readonly link: ModernLink | undefined;
}

/**
 * Which era each HTTP server is of. A record that says `legacy` is believed; a server of the modern era is asked what it can do
 * by each node, once for each revision of its record. Either is asked again once it is doubted.
 */
export class Eras {
  readonly #options: ErasOptions;
  readonly #known = new Map<string, Known>();
  /** Servers that did not behave as their record says, until they have been asked. */
  readonly #doubted = new Set<string>();
  readonly #asking = new Map<string, Promise<ModernLink | undefined>>();

  constructor(options: ErasOptions) {
    this.#options = options;
  }

  /** The link to a server of the modern era; undefined for the legacy one. Rejects as the question to the server fails. */
  of(server: DownstreamServer, target: HttpTarget): ModernLink | undefined | Promise<ModernLink | undefined> {
    const known = this.#known.get(server.id);
    if (known?.revision === server.revision) return known.link;
    if (server.era === 'legacy' && !this.#doubted.has(server.id)) return undefined;
    const key = `${server.id} ${server.revision}`;
    const asking = this.#asking.get(key) ?? this.#ask(server, target).finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  /** What the record says, unless that is doubted. */
  recorded(server: DownstreamServer): ServerEra | undefined {
    return this.#doubted.has(server.id) ? undefined : server.era;
  }

  /** The server did not behave as one of its era: it is asked anew. */
  doubt({ id }: DownstreamServer): void {
    this.#known.delete(id);
    this.#doubted.add(id);
  }

  /** The server has changed or gone. */
  forget(serverId: string): void {
    for (const known of [this.#known, this.#doubted])
      for (const id of usesIn(known, serverId)) known.delete(id);
  }

  async #ask(server: DownstreamServer, target: HttpTarget): Promise<ModernLink | undefined> {
    const { identity } = this.#options;
    const ask = (request: RequestMessage, version: ModernVersion) =>
      this.#post(server, target, request, version);
    try {
      const discovery = await probe(server.name, identity, ask);
      const link =
        discovery === undefined
          ? undefined
          : new ModernHttpLink(server, target, discovery, {
              identity,
              client: this.#options.client(server, target),
              doubt: (doubted) => this.doubt(doubted),
            });
      this.#known.set(server.id, { revision: server.revision, link });
      this.#options.found(server, link === undefined ? 'legacy' : 'modern');
      return link;
    } catch (thrown) {
      const error = GatewayError.from(thrown);
      if (error.code === Code.Internal || error instanceof UnspeakableServer) throw error;
      // One that has no sessions could say nothing to `initialize` either: it is away.
      if (this.recorded(server) === 'modern-only') throw error;
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
    const { deadlines } = this.#options;
    const client = this.#options.client(server, target);
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
        askForRest: settle,
        positionOf: () => undefined,
      });
      const { method, params } = request;
      const headers = [...commonHeaders(target), ...standardHeaders(version, method, nameIn(method, params))];
      client.dispatch(endpointOf(target.url), 'POST', headers, request.text, exchange);
    });
  }
}
