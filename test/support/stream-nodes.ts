import type { Coordination } from '../../src/coordination/coordination.ts';
import { createMemoryCoordination, MemoryHub } from '../../src/coordination/memory/index.ts';
import type { StreamLog } from '../../src/coordination/stream-log.ts';
import { unavailable } from '../../src/coordination/unavailable.ts';
import type { StreamWriter } from '../../src/session/client-stream.ts';
import { parseEventId } from '../../src/session/event-id.ts';
import { STREAM_LEFT, STREAM_MOVED } from '../../src/session/handover.ts';
import { STREAM_EVENT, StandaloneStream } from '../../src/session/standalone-stream.ts';
import { LONG_MS, makeSession } from './coordination.ts';
import { recordingLogger } from './fakes.ts';

/** The session whose stream it is. */
export const SESSION = 's1';

/**
 * How the store is for a node: `away` does nothing, `deaf` does what it is told and does not answer, `late` does it when
 * {@link FragileLog.arrive} says so, and does not answer either.
 */
export type Condition = 'there' | 'away' | 'deaf' | 'late';

/** A log as a node sees it that the store is not always there for. */
class FragileLog implements StreamLog {
  condition: Condition = 'there';
  readonly #log: StreamLog;
  #late: (() => Promise<unknown>)[] = [];

  constructor(log: StreamLog) {
    this.#log = log;
  }

  append: StreamLog['append'] = (...args) => this.#run(() => this.#log.append(...args));
  take: StreamLog['take'] = (...args) => this.#run(() => this.#log.take(...args));
  read: StreamLog['read'] = (...args) => this.#run(() => this.#log.read(...args));
  delivered: StreamLog['delivered'] = (...args) => this.#run(() => this.#log.delivered(...args));
  leave: StreamLog['leave'] = (...args) => this.#run(() => this.#log.leave(...args));

  /** What was sent while it was late arrives, in the order it was sent. */
  async arrive(): Promise<void> {
    const late = this.#late;
    this.#late = [];
    for (const run of late) await run().catch(() => {});
  }

  async #run<T>(run: () => Promise<T>): Promise<T> {
    if (this.condition === 'there') return run();
    if (this.condition === 'deaf') await run().catch(() => {});
    if (this.condition === 'late') this.#late.push(run);
    throw unavailable();
  }
}

/** A connection that writes down what it is given, until it breaks. */
export class Connection implements StreamWriter {
  readonly events: { readonly id: string | undefined; readonly data: string }[] = [];
  isBroken = false;
  ended = 0;

  write(data: string, id: string | undefined): boolean {
    if (!this.isBroken) this.events.push({ id, data });
    return true;
  }

  begin(): void {}

  part(): boolean {
    return true;
  }

  finish(): void {}

  end(): void {
    this.ended++;
  }

  get data(): readonly string[] {
    return this.events.map(({ data }) => data);
  }
}

/** A server whose own stream can be listened to by several nodes at once, from any of its events on. */
export class TalkingServer {
  readonly said: string[] = [];
  readonly #listeners = new Map<StreamNode, number>();

  /** Goes to everyone who listens, a little later. */
  say(): void {
    this.said.push(`said ${this.said.length + 1}`);
    for (const node of this.#listeners.keys()) this.#tell(node);
  }

  listen(node: StreamNode, position: string | undefined): void {
    if (this.#listeners.has(node)) return;
    const from = position === undefined ? this.said.length : Number(position);
    this.#listeners.set(node, from);
    if (position === undefined) node.stream.note({ serverId: 'x', position: String(from) });
    this.#tell(node);
  }

  unlisten(node: StreamNode): void {
    this.#listeners.delete(node);
  }

  #tell(node: StreamNode): void {
    setImmediate(() => {
      const from = this.#listeners.get(node);
      if (from === undefined) return;
      const [...events] = this.said.slice(from).entries();
      this.#listeners.set(node, this.said.length);
      for (const [index, data] of events) {
        node.stream.send(data, { serverId: 'x', position: String(from + index + 1) });
      }
    });
  }
}

/** One session on one node, wired as a gateway is, with a store that is not always there. */
export class StreamNode {
  readonly coordination: Coordination;
  readonly log: FragileLog;
  readonly stream: StandaloneStream;
  readonly logger = recordingLogger();
  readonly #server: TalkingServer;

  constructor(nodeId: string, hub: MemoryHub, server: TalkingServer, key: string | undefined) {
    this.coordination = createMemoryCoordination({ nodeId, hub });
    this.log = new FragileLog(this.coordination.streams);
    this.#server = server;
    const { bus } = this.coordination;
    const fragile: typeof bus = {
      nodeId,
      send: async (to, message) => {
        if (this.log.condition !== 'there') throw unavailable();
        return bus.send(to, message);
      },
      broadcast: (message) => bus.broadcast(message),
      on: (kind, listener) => bus.on(kind, listener),
      onGap: (listener) => bus.onGap(listener),
      close: () => bus.close(),
    };
    this.stream = new StandaloneStream({
      sessionId: SESSION,
      log: this.log,
      bus: fragile,
      logger: this.logger,
      key,
      onMoved: () => server.unlisten(this),
    });
    const hears = () => this.log.condition === 'there';
    bus.on(STREAM_EVENT, ({ sequence, data }) => {
      if (hears()) this.stream.receive(Number(sequence), data === undefined ? undefined : String(data));
    });
    bus.on(STREAM_MOVED, ({ takes }, from) => {
      if (!hears()) return;
      this.stream.moved(Number(takes));
      void bus.send(from, { kind: STREAM_LEFT });
    });
    bus.on(STREAM_LEFT, (_message, from) => {
      if (hears()) this.stream.left(from);
    });
  }

  /** Connects a client that has seen this event, and listens to the server. */
  async connect(connection: Connection, lastEventId?: string, primed = false): Promise<void> {
    const last = lastEventId === undefined ? undefined : parseEventId(lastEventId);
    await this.stream.attach(connection, last, primed);
    const listen = () => {
      if (this.stream.isListening) this.#server.listen(this, this.stream.origins['x']);
    };
    if (this.stream.handover === undefined) listen();
    else void this.stream.handover.then(listen);
  }

  /** The store is there again. */
  heal(): void {
    this.log.condition = 'there';
    this.stream.catchUp();
  }

  /** Ends as a process that is killed: nothing is said any more, and nothing done. */
  async crash(): Promise<void> {
    this.log.condition = 'away';
    this.#server.unlisten(this);
    this.stream.close();
    await this.coordination.close();
  }
}

/** Nodes that share a store, one session, and a server that talks to it. */
export async function streamNodes(
  count: number,
  { key }: { readonly key: string | undefined } = { key: 'signs' },
) {
  const hub = new MemoryHub();
  const server = new TalkingServer();
  const nodes = Array.from({ length: count }, (_, n) => new StreamNode(`n${n}`, hub, server, key));
  const [first] = nodes as [StreamNode];
  await first.coordination.sessions.create(makeSession({ id: SESSION }), 'n0', LONG_MS);
  return {
    nodes: nodes as [StreamNode, ...StreamNode[]],
    server,
    /** A node at the place of one that has crashed. */
    revive(place: number): void {
      nodes[place] = new StreamNode(`n${place}`, hub, server, key);
    },
    async close(): Promise<void> {
      await Promise.all(nodes.map((node) => node.crash()));
    },
  };
}
