import type { Bus, BusMessage } from '../coordination/bus.ts';
import type { Members } from '../coordination/members.ts';
import type { ClientStream, StreamWriter } from './client-stream.ts';
import { parseEventId } from './event-id.ts';
import { RemoteWriter } from './remote-writer.ts';

/** How often the nodes that have streams are looked after, in milliseconds: well within a beat of theirs. */
const WATCH_MS = 400;

/** To the node that has a request's stream: a client came back for it here, and has seen so much. */
const TAKE = 'takeover.take';
/** To the node that the client came back to. */
const PART = 'takeover.part';
const END = 'takeover.end';
/** To the node that has the stream: the client has gone again. */
const LEAVE = 'takeover.leave';
/** To the node that has streams: what it is to have given; it answers with those that it does not know (any more). */
const CHECK = 'takeover.check';
const MISSING = 'takeover.missing';

/** Why nothing more comes: the stream has ended; or its node has gone, or does not have it. */
export type TakeoverEnd = 'ended' | 'lost';

export interface TakeoverOptions {
  readonly bus: Bus;
  readonly members: Members;
  /** A request stream of this node; undefined once it is forgotten. */
  readonly find: (sessionId: string, streamId: string) => ClientStream | undefined;
}

interface Taken {
  readonly node: string;
  readonly sessionId: string;
  readonly streamId: string;
  readonly writer: StreamWriter;
  readonly over: (end: TakeoverEnd) => void;
  /** Sequence of the last event that the client has. */
  after: number;
  /** The node has heard of it. */
  isAsked: boolean;
  /** How often it was asked: what it says because of an earlier time counts no more. */
  turn: number;
  /** No event has come since it was asked: the first may follow on some that are kept no more. */
  isFirst: boolean;
}

interface Given {
  readonly stream: ClientStream;
  readonly writer: RemoteWriter;
}

/**
 * Lets a client come back to any node for the stream of a request that runs on another one: that node writes to the
 * stream as ever, and what it writes travels to the connection. Nothing travels where a client stays where it was. What
 * is lost on the way is asked for again.
 */
export class Takeover {
  readonly #options: TakeoverOptions;
  readonly #taken = new Map<string, Taken>();
  /** On the node that has the stream: writers that stand for connections elsewhere. */
  readonly #given = new Map<string, Given>();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #watch: NodeJS.Timeout;
  #lastKey = 0;

  constructor(options: TakeoverOptions) {
    this.#options = options;
    const { bus } = options;
    this.#unsubscribe = [
      bus.on(TAKE, (message, from) => this.#give(message, from)),
      bus.on(PART, (message) => this.#part(message)),
      bus.on(END, ({ key, turn, unknown }) => {
        if (this.#taken.get(String(key))?.turn === turn)
          this.#end(String(key), unknown === true ? 'lost' : 'ended');
      }),
      bus.on(LEAVE, (message, from) => this.#takeBack(givenKey(from, message['key']))),
      bus.on(CHECK, (message, from) => this.#check(message, from)),
      bus.on(MISSING, ({ keys }) => {
        for (const key of Array.isArray(keys) ? keys : []) this.#ask(String(key));
      }),
      bus.onGap(() => {
        for (const key of this.#taken.keys()) this.#ask(key);
      }),
    ];
    this.#watch = setInterval(() => void this.#lookAfter(), WATCH_MS);
    this.#watch.unref();
  }

  /**
   * Writes a stream of another node, from after the given event on. Returns what lets go of it. `over` is told once, when
   * nothing more will come. While nobody can tell whether the node is there, the client waits.
   */
  take(
    node: string,
    sessionId: string,
    streamId: string,
    after: number,
    writer: StreamWriter,
    over: (end: TakeoverEnd) => void,
  ): () => void {
    const key = String(++this.#lastKey);
    const state = { after, isAsked: false, turn: 0, isFirst: true };
    this.#taken.set(key, { node, sessionId, streamId, writer, over, ...state });
    this.#ask(key);
    return () => {
      if (this.#taken.delete(key)) this.#send(node, { kind: LEAVE, key });
    };
  }

  /** Closes the connections that are here for streams of other nodes: their clients come back elsewhere. */
  disconnect(): void {
    for (const { writer } of [...this.#taken.values()]) writer.end();
  }

  close(): void {
    clearInterval(this.#watch);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #ask(key: string): void {
    const taken = this.#taken.get(key);
    if (taken === undefined) return;
    const { node, sessionId: session, streamId: stream, after } = taken;
    taken.isAsked = false;
    taken.isFirst = true;
    const turn = ++taken.turn;
    this.#options.bus.send(node, { kind: TAKE, key, turn, session, stream, after }).then(
      (isHeard) => {
        if (taken.turn === turn) taken.isAsked = isHeard;
      },
      () => {
        // The bus is away: it is asked again.
      },
    );
  }

  #give(message: BusMessage, to: string): void {
    const { key, turn, session, stream: streamId, after } = message;
    const known = givenKey(to, key);
    this.#takeBack(known);
    const stream = this.#options.find(String(session), String(streamId));
    if (stream === undefined) return this.#send(to, { kind: END, key, turn, unknown: true });
    const writer = new RemoteWriter({
      // What cannot be said is missed by who is to hear it, and asked for again.
      send: async (said) => this.#options.bus.send(to, { ...said, key, turn }).catch(() => false),
      part: PART,
      end: END,
    });
    this.#given.set(known, { stream, writer });
    stream.attach(writer, Number(after));
  }

  #takeBack(key: string): void {
    const given = this.#given.get(key);
    this.#given.delete(key);
    given?.stream.detach(given.writer);
    given?.writer.close();
  }

  #part({ key, turn, data, id }: BusMessage): void {
    const taken = this.#taken.get(String(key));
    if (taken === undefined || taken.turn !== turn) return;
    const place = parseEventId(String(id));
    // An event without data has the sequence of the one before.
    if (place !== undefined && data !== '') {
      if (place.sequence <= taken.after) return;
      if (place.sequence > taken.after + 1 && !taken.isFirst) return this.#ask(String(key));
      taken.after = place.sequence;
      taken.isFirst = false;
    }
    taken.writer.write(String(data), String(id));
  }

  #end(key: string, end: TakeoverEnd): void {
    const taken = this.#taken.get(key);
    this.#taken.delete(key);
    taken?.over(end);
  }

  #check({ keys }: BusMessage, from: string): void {
    const missing = (Array.isArray(keys) ? keys : []).filter((key) => !this.#given.has(givenKey(from, key)));
    if (missing.length > 0) this.#send(from, { kind: MISSING, keys: missing });
  }

  /** A node that has gone says nothing any more: whoever waits for it has to be told. One that came back knows of nothing. */
  async #lookAfter(): Promise<void> {
    for (const [key, { stream, writer }] of this.#given) {
      if (writer.isBroken || (stream.isEnded && writer.isIdle)) this.#takeBack(key);
    }
    const byNode = Map.groupBy(this.#taken, ([, { node }]) => node);
    await Promise.all([...byNode].map(([node, entries]) => this.#lookAfterNode(node, entries)));
  }

  async #lookAfterNode(node: string, entries: readonly [string, Taken][]): Promise<void> {
    const isAlive = await this.#options.members.isAlive(node).catch(() => true);
    if (!isAlive) {
      for (const [key] of entries) this.#end(key, 'lost');
      return;
    }
    for (const [key, { isAsked }] of entries) if (!isAsked) this.#ask(key);
    const asked = entries.filter(([, { isAsked }]) => isAsked);
    if (asked.length > 0) this.#send(node, { kind: CHECK, keys: asked.map(([key]) => key) });
  }

  #send(node: string, message: BusMessage): void {
    this.#options.bus.send(node, message).catch(() => {
      // The bus is away: the next look finds out what is missing.
    });
  }
}

function givenKey(node: string, key: unknown): string {
  return `${node} ${String(key)}`;
}
