import type { Principal } from '../auth/principal.ts';
import type { SessionVersion } from '../protocol/versions.ts';
import { ClientStream } from './client-stream.ts';
import { EventLog, type EventLogLimits } from './event-log.ts';

/** What a client said of itself at `initialize`. */
export interface ClientHello {
  readonly protocolVersion: SessionVersion;
  readonly clientInfo: Readonly<Record<string, unknown>>;
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/** A session of the legacy era: from `initialize` to DELETE, or until nobody has used it for a while. */
export class Session {
  readonly id: string;
  readonly principal: Principal;
  readonly hello: ClientHello;
  readonly createdAt = new Date();
  /** What belongs to no request: the GET stream. */
  readonly stream: ClientStream;
  /** Milliseconds since the epoch. */
  lastUsed = Date.now();
  /** The client's last `logging/setLevel`. */
  logLevel: string | undefined;
  /** Ends a request that is under way, by its id as JSON text. */
  readonly inFlight = new Map<string, { cancel(): void }>();
  readonly #log: EventLog;
  /** Streams of requests whose answers are not complete, or were completed a moment ago. */
  readonly #requestStreams = new Map<string, ClientStream>();
  #lastStream = 0;

  constructor(id: string, principal: Principal, hello: ClientHello, limits: EventLogLimits) {
    this.id = id;
    this.principal = principal;
    this.hello = hello;
    this.#log = new EventLog(limits);
    this.stream = new ClientStream('g', this.#log);
  }

  /** Whether a client is waiting for something, or listening. */
  get isBusy(): boolean {
    return this.inFlight.size > 0 || this.stream.isOpen;
  }

  /** A stream for the answer to one request. */
  openRequestStream(): ClientStream {
    const stream = new ClientStream(`r${++this.#lastStream}`, this.#log);
    this.#requestStreams.set(stream.id, stream);
    return stream;
  }

  /** The stream that an event id of this session names; undefined once it is forgotten. */
  streamOf(streamId: string): ClientStream | undefined {
    return streamId === this.stream.id ? this.stream : this.#requestStreams.get(streamId);
  }

  *streams(): Iterable<ClientStream> {
    yield this.stream;
    yield* this.#requestStreams.values();
  }

  /** Forgets request streams that nobody has come back for. */
  sweep(now: number): void {
    this.#log.sweep(now);
    for (const [id, stream] of this.#requestStreams) {
      if (stream.isEnded && this.#log.after(id, 0) === undefined) this.#requestStreams.delete(id);
    }
  }
}
