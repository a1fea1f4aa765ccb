import type { Bus, BusMessage } from '../coordination/bus.ts';
import type { Members } from '../coordination/members.ts';
import type { ClientStream, StreamWriter } from './client-stream.ts';

/** How often the node that has a stream is looked after, in milliseconds. */
const WATCH_MS = 1000;

/** To the node that has a request's stream: a client came back for it here. */
const TAKE = 'takeover.take';
/** To the node that the client came back to. */
const PART = 'takeover.part';
const END = 'takeover.end';
/** To the node that has the stream: the client has gone again. */
const LEAVE = 'takeover.leave';

export interface TakeoverOptions {
  readonly bus: Bus;
  readonly members: Members;
  /** A request stream of this node; undefined once it is forgotten. */
  readonly find: (sessionId: string, streamId: string) => ClientStream | undefined;
}

interface Taken {
  readonly node: string;
  readonly writer: StreamWriter;
  /** The stream is over, by its own end or because its node has gone. */
  readonly over: (lost: boolean) => void;
}

/**
 * Lets a client come back to any node for the stream of a request that runs on another one: that node writes to the
 * stream as ever, and what it writes travels to the connection. Nothing travels where a client stays where it was.
 */
export class Takeover {
  readonly #options: TakeoverOptions;
  readonly #taken = new Map<string, Taken>();
  /** On the node that has the stream: writers that stand for connections elsewhere. */
  readonly #given = new Map<string, { readonly stream: ClientStream; readonly writer: StreamWriter }>();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #watch: NodeJS.Timeout;
  #lastKey = 0;

  constructor(options: TakeoverOptions) {
    this.#options = options;
    const { bus } = options;
    this.#unsubscribe = [
      bus.on(TAKE, (message, from) => this.#give(message, from)),
      bus.on(PART, (message) => {
        this.#taken.get(String(message['key']))?.writer.write(String(message['data']), String(message['id']));
      }),
      bus.on(END, (message) => this.#end(String(message['key']), false)),
      bus.on(LEAVE, (message, from) => this.#takeBack(givenKey(from, message))),
    ];
    this.#watch = setInterval(() => void this.#lookAfter(), WATCH_MS);
    this.#watch.unref();
  }

  /**
   * Asks a node for a stream, from after the given event on. Resolves with what lets go of it, or undefined where that
   * node is not there. `over` is told once when nothing more will come; `lost`: because the node has gone.
   */
  async take(
    node: string,
    sessionId: string,
    streamId: string,
    after: number,
    writer: StreamWriter,
    over: (lost: boolean) => void,
  ): Promise<(() => void) | undefined> {
    const key = String(++this.#lastKey);
    this.#taken.set(key, { node, writer, over });
    const message = { kind: TAKE, key, session: sessionId, stream: streamId, after };
    if (await this.#options.bus.send(node, message)) {
      return () => {
        this.#taken.delete(key);
        this.#options.bus.send(node, { kind: LEAVE, key }).catch(() => {});
      };
    }
    this.#taken.delete(key);
    return undefined;
  }

  /** Closes the connections that are here for streams of other nodes: their clients come back elsewhere. */
  disconnect(): void {
    for (const { writer } of [...this.#taken.values()]) writer.end();
  }

  close(): void {
    clearInterval(this.#watch);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #give(message: BusMessage, to: string): void {
    const key = String(message['key']);
    const stream = this.#options.find(String(message['session']), String(message['stream']));
    const writer = new RemoteWriter(this.#options.bus, to, key);
    if (stream === undefined) return writer.end();
    this.#given.set(givenKey(to, message), { stream, writer });
    stream.attach(writer, Number(message['after']));
  }

  #takeBack(key: string): void {
    const given = this.#given.get(key);
    this.#given.delete(key);
    given?.stream.detach(given.writer);
  }

  #end(key: string, lost: boolean): void {
    const taken = this.#taken.get(key);
    this.#taken.delete(key);
    taken?.over(lost);
  }

  /** A node that has gone says nothing any more: whoever waits for it has to be told. */
  async #lookAfter(): Promise<void> {
    for (const [key, { node }] of this.#taken) {
      const isAlive = await this.#options.members.isAlive(node).catch(() => true);
      if (!isAlive) this.#end(key, true);
    }
    for (const [key, { stream }] of this.#given) if (stream.isEnded) this.#given.delete(key);
  }
}

function givenKey(node: string, message: BusMessage): string {
  return `${node} ${String(message['key'])}`;
}

/** Stands for a connection on another node. */
class RemoteWriter implements StreamWriter {
  readonly #bus: Bus;
  readonly #to: string;
  readonly #key: string;
  #largeId = '';
  #pieces: Buffer[] = [];
  /** The bus keeps the order of what is sent, as long as each send waits for the one before. */
  #turn: Promise<unknown> = Promise.resolve();

  constructor(bus: Bus, to: string, key: string) {
    this.#bus = bus;
    this.#to = to;
    this.#key = key;
  }

  write(data: string, eventId: string | undefined): boolean {
    this.#send({ kind: PART, key: this.#key, data, id: eventId });
    return true;
  }

  begin(eventId: string): void {
    this.#largeId = eventId;
  }

  part(bytes: Buffer): boolean {
    this.#pieces.push(bytes);
    return true;
  }

  finish(): void {
    const data = Buffer.concat(this.#pieces).toString();
    this.#pieces = [];
    this.write(data, this.#largeId);
  }

  end(): void {
    this.#send({ kind: END, key: this.#key });
  }

  #send(message: BusMessage): void {
    this.#turn = this.#turn
      .then(() => this.#bus.send(this.#to, message))
      .catch(() => {
        // The bus is away: the client comes back with the last id it saw, and asks again.
      });
  }
}
