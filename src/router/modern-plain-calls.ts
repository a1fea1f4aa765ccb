import type { Owner } from '../auth/principal.ts';
import { call, ownRequest } from '../downstream/call.ts';
import { EraWatch } from '../downstream/era-watch.ts';
import type {
  AnswerSink,
  CancelRequest,
  Deadlines,
  DownstreamLink,
  ServerHandshake,
} from '../downstream/port.ts';
import { type Message, own, parseMessage, type RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { missingOf, neededFor } from '../protocol/modern/capabilities.ts';
import { NO_RETRY } from '../protocol/modern/input-required.ts';
import { type Edits, editRequest } from '../protocol/modern/json-edit.ts';
import { NO_ENVELOPE } from '../protocol/modern/meta.ts';
import type { Logger } from '../telemetry/types.ts';
import type { LegacyCall, LegacyCalls } from './modern-caller.ts';
import { EndingSink } from './modern-ending-sink.ts';
import { LegacyAnswerSink } from './modern-legacy-sink.ts';
import { answerForNobody, type Borrowed, type LegacyPool } from './modern-pool.ts';

/** Of params: rounds are not known to older servers, and a task is what nobody here asks them for. */
const NOT_LEGACY: Edits = [...NO_RETRY, ['task', undefined]];

/** The least of all levels: each caller is given what it wants. */
const EVERYTHING = 'debug';

export interface PlainCallsOptions {
  readonly pool: LegacyPool;
  /** The gateway's `Implementation` as JSON text, for servers that do not say who they are. */
  readonly implementation: string;
  readonly ownDeadlines: Deadlines;
  readonly maxJsonDepth: number;
  readonly logger: Logger;
  /** What a server says outside any request, or in one that it is not about. */
  readonly heard: (owner: Owner, serverId: string, message: Message) => void;
}

let lastId = 0;

/** Requests in which a server has nothing to ask: over a session that all requests of their principal share. */
export class PlainCalls implements LegacyCalls {
  readonly #options: PlainCallsOptions;
  readonly #serverInfos = new WeakMap<ServerHandshake, string>();
  /** Links whose server has been asked for log messages. */
  readonly #logging = new WeakMap<DownstreamLink, Promise<void>>();

  constructor(options: PlainCallsOptions) {
    this.#options = options;
  }

  call(call: LegacyCall, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    const { pool } = this.#options;
    const { principal, meta } = call.caller;
    // What a process says belongs to no request of those that share it.
    const wantsLogs = meta.logLevel !== undefined && call.server.target.kind === 'http';
    const now = pool.borrowNow(principal, call.server);
    if (now !== undefined && !wantsLogs) return this.#send(now, call, sink, deadlines);
    let cancelled: GatewayError | undefined;
    let cancelSent: CancelRequest | undefined;
    const opening = now === undefined ? pool.borrow(principal, call.server) : Promise.resolve(now);
    opening
      .then(async (borrowed) => {
        if (wantsLogs) await this.#askForLogs(borrowed.link);
        if (cancelled === undefined) cancelSent = this.#send(borrowed, call, sink, deadlines);
        else borrowed.giveBack();
      })
      .catch((error) => {
        if (cancelled === undefined) sink.fail(GatewayError.from(error));
      });
    return (reason) => {
      if (cancelSent !== undefined) return cancelSent(reason);
      if (cancelled !== undefined) return;
      cancelled = reason;
      sink.fail(reason);
    };
  }

  dropServer(serverId: string): void {
    this.#options.pool.drop(serverId);
  }

  close(): Promise<void> {
    return this.#options.pool.close();
  }

  #send(borrowed: Borrowed, { caller, server, request }: LegacyCall, sink: AnswerSink, deadlines: Deadlines) {
    const { link } = borrowed;
    const { principal, meta } = caller;
    const sentAs = `modern-${++lastId}`;
    const legacy = legacyRequest(
      request,
      sentAs,
      meta.progressToken !== undefined,
      this.#options.maxJsonDepth,
    );
    if (legacy === undefined) {
      borrowed.giveBack();
      sink.fail(new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice'));
      return () => {};
    }
    const { handshake } = link;
    const answer = new LegacyAnswerSink(new EndingSink(sink, () => borrowed.giveBack()), {
      request,
      sentAs,
      meta,
      serverName: server.name,
      serverInfo: this.#serverInfo(handshake),
      asked: (asked) => {
        const needed = neededFor(asked.method, asked.params) ?? {};
        const missing = missingOf(needed, meta.clientCapabilities);
        if (missing !== undefined) answer.refused(missing);
        link.send(answerForNobody(asked));
      },
      heard: (message) => this.#options.heard(principal, server.id, message),
    });
    // What has become one of the other era knows none of its sessions.
    const watched = new EraWatch(answer, () => this.#options.pool.drop(server.id));
    return link.request(legacy, watched, deadlines);
  }

  /** Where the server refuses, the request goes on without log messages. */
  #askForLogs(link: DownstreamLink): Promise<void> {
    const known = this.#logging.get(link);
    if (known !== undefined) return known;
    const asking = Object.hasOwn(link.handshake.capabilities, 'logging')
      ? call(
          link,
          ownRequest('logging/setLevel', { level: EVERYTHING }),
          this.#options.ownDeadlines,
          new AbortController().signal,
        ).then(
          () => {},
          (error) =>
            this.#options.logger.warn('a server refused to send log messages', {
              server: link.server.name,
              reason: error instanceof Error ? error.message : String(error),
            }),
        )
      : Promise.resolve();
    this.#logging.set(link, asking);
    return asking;
  }

  #serverInfo(handshake: ServerHandshake): string {
    const known = this.#serverInfos.get(handshake);
    if (known !== undefined) return known;
    const { serverInfo } = handshake;
    const isWhole =
      typeof own(serverInfo, 'name') === 'string' && typeof own(serverInfo, 'version') === 'string';
    const text = isWhole ? JSON.stringify(serverInfo) : this.#options.implementation;
    this.#serverInfos.set(handshake, text);
    return text;
  }
}

/** The request as an older server knows it; undefined where a key stands twice. */
export function legacyRequest(
  request: RequestMessage,
  id: string,
  hasProgress: boolean,
  maxDepth: number,
): RequestMessage | undefined {
  const json = JSON.stringify(id);
  const meta: Edits = hasProgress ? [...NO_ENVELOPE, ['progressToken', json]] : NO_ENVELOPE;
  const text = editRequest(request.text, { id: json, params: NOT_LEGACY, meta });
  const message = text === undefined ? undefined : parseMessage(text, maxDepth);
  if (message?.kind !== 'request') return undefined;
  return request.traced === undefined ? message : { ...message, traced: request.traced };
}
