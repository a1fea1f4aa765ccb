import type { Principal } from '../auth/principal.ts';
import { markOf } from '../coordination/session-mark.ts';
import type { StoredLink } from '../coordination/session-store.ts';
import type { Id } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { hasPriming, type SessionVersion } from '../protocol/versions.ts';
import { ClientStream, type ClientStreamOptions } from './client-stream.ts';
import { requestStreamId } from './event-id.ts';
import { EventLog, type EventLogLimits } from './event-log.ts';
import { type StandaloneOptions, StandaloneStream } from './standalone-stream.ts';

/** What a client said of itself at `initialize`. */
export interface ClientHello {
  readonly protocolVersion: SessionVersion;
  readonly clientInfo: Readonly<Record<string, unknown>>;
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/** What other nodes have found out about a session before this one heard of it. */
export interface SessionState {
  readonly streamKey: string | undefined;
  readonly logLevel: string | undefined;
  readonly links: readonly StoredLink[];
  readonly subscriptions: Readonly<Record<string, readonly string[]>>;
}

interface RequestUnderWay {
  /** Ends it; as its client's wish, unless another reason is given. */
  cancel(reason?: GatewayError): void;
  /** Leaves it to another node, if there can be one that goes on with it; whether there can. */
  leave?(): boolean;
}

export interface SessionParts extends Pick<StandaloneOptions, 'log' | 'bus' | 'logger'> {
  readonly limits: EventLogLimits;
  /** Servers are not for this node to listen to any more for this session, or begin anew to be. */
  readonly onMoved: (session: Session) => void;
}

export const FRESH: SessionState = {
  streamKey: undefined,
  logLevel: undefined,
  links: [],
  subscriptions: {},
};

/** A session of the legacy era as this node knows it: from `initialize` to DELETE, or until nobody has used it for a while. */
export class Session {
  readonly id: string;
  readonly principal: Principal;
  readonly hello: ClientHello;
  readonly state: SessionState;
  /** Milliseconds since the epoch. */
  lastUsed = Date.now();
  /** The client's last `logging/setLevel`. */
  logLevel: string | undefined;
  readonly #parts: SessionParts;
  // Most sessions are idle most of the time, and of use for a call or two: what those have no need of is made when it is used.
  #mark: string | undefined;
  #inFlight: Map<string, RequestUnderWay> | undefined;
  #stream: StandaloneStream | undefined;
  #log: EventLog | undefined;
  /** Streams of requests whose answers are not complete, or were completed a moment ago. */
  #requestStreams: Map<string, ClientStream> | undefined;
  #lastStream = 0;

  constructor(
    id: string,
    principal: Principal,
    hello: ClientHello,
    state: SessionState,
    parts: SessionParts,
  ) {
    this.id = id;
    this.principal = principal;
    this.hello = hello;
    this.state = state;
    this.logLevel = state.logLevel;
    this.#parts = parts;
  }

  /** Tells it apart from other sessions wherever its id is nobody's to read. */
  get mark(): string {
    this.#mark ??= markOf(this.id);
    return this.#mark;
  }

  /** Requests that are under way here, by their ids as JSON text. */
  get inFlight(): Map<string, RequestUnderWay> {
    this.#inFlight ??= new Map();
    return this.#inFlight;
  }

  /** How many requests are under way here. */
  get requests(): number {
    return this.#inFlight?.size ?? 0;
  }

  /** What belongs to no request: the GET stream. */
  get stream(): StandaloneStream {
    this.#stream ??= this.#makeStream();
    return this.#stream;
  }

  /** The same, where it has ever been of use on this node. */
  get usedStream(): StandaloneStream | undefined {
    return this.#stream;
  }

  /** Whether servers' own streams are for this node to listen to: the client was connected here last. */
  get isListening(): boolean {
    return this.#stream?.isListening === true;
  }

  /** Whether a client is waiting for something, or listening. */
  get isBusy(): boolean {
    return this.requests > 0 || (this.#stream?.count ?? 0) > 0;
  }

  /** Connections that streams of this session have now. */
  get connections(): number {
    let count = this.#stream?.count ?? 0;
    for (const stream of this.#requestStreams?.values() ?? []) count += stream.count;
    return count;
  }

  /** A stream for the answer to one request. `from`: where a node that is gone has left it. */
  openRequestStream(
    requestId: Id | null,
    from: Omit<ClientStreamOptions, 'primes'> = { after: 0 },
  ): ClientStream {
    const id = requestStreamId(++this.#lastStream, requestId, this.#parts.bus.nodeId);
    const primes = hasPriming(this.hello.protocolVersion);
    this.#log ??= new EventLog(this.#parts.limits);
    this.#requestStreams ??= new Map();
    const stream = new ClientStream(id, this.#log, { ...from, primes });
    this.#requestStreams.set(id, stream);
    return stream;
  }

  /** The request stream that an event id of this session names; undefined once it is forgotten. */
  requestStream(streamId: string): ClientStream | undefined {
    return this.#requestStreams?.get(streamId);
  }

  /** Ends every stream on this node. */
  endStreams(): void {
    this.#stream?.close();
    for (const stream of this.#requestStreams?.values() ?? []) stream.end();
  }

  /** Forgets request streams that nobody has come back for. */
  sweep(now: number): void {
    const streams = this.#requestStreams;
    if (this.#log === undefined || streams === undefined) return;
    this.#log.sweep(now);
    for (const [id, stream] of streams) {
      if (stream.isEnded && this.#log.after(id, 0) === undefined) streams.delete(id);
    }
  }

  #makeStream(): StandaloneStream {
    const { log, bus, logger, onMoved } = this.#parts;
    return new StandaloneStream({
      sessionId: this.id,
      log,
      bus,
      logger,
      key: this.state.streamKey,
      onMoved: () => onMoved(this),
    });
  }
}
