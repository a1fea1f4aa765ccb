import type { Bus } from '../../src/coordination/bus.ts';
import type { Coordination } from '../../src/coordination/coordination.ts';
import { Heartbeat } from '../../src/coordination/heartbeat.ts';
import type { Leases } from '../../src/coordination/leases.ts';
import type { Member, Members } from '../../src/coordination/members.ts';
import { createMemoryCoordination, type MemoryHub } from '../../src/coordination/memory/index.ts';
import { unavailable } from '../../src/coordination/unavailable.ts';
import { TransportConnector } from '../../src/downstream/connector.ts';
import { OwnedConnector } from '../../src/downstream/owned-connector.ts';
import type { DownstreamLink, DownstreamServer, OpenOptions } from '../../src/downstream/port.ts';
import type { Message } from '../../src/protocol/envelope.ts';
import { recordingLogger } from './fakes.ts';
import { anyNetwork } from './networks.ts';

/** A link, and what its listener was told. */
export interface OpenedLink {
  readonly link: DownstreamLink;
  readonly heard: Message[];
  readonly restarts: () => number;
}

/** What becomes of a message: whoever sends may not know, be told that nobody listened, or be told nothing of the sort. */
type Fate = 'heard' | 'heard, not confirmed' | 'lost, not confirmed' | 'nobody listens';

/** The downstream side of a gateway, as a node among others of its hub that can be cut off from them. */
export class ProcessNode {
  readonly id: string;
  readonly connector: OwnedConnector;
  readonly local: TransportConnector;
  readonly logger = recordingLogger();
  /** Servers whose process was found to have moved. */
  readonly moved: string[] = [];
  /** What becomes of what this node sends, while it is not cut off. */
  fate: () => Fate = () => 'heard';
  readonly #coordination: Coordination;
  readonly #hub: MemoryHub;
  readonly #heartbeat: Heartbeat;
  readonly #gapListeners = new Set<() => void>();
  #receiver: ReturnType<MemoryHub['receivers']['get']>;
  #isCut = false;

  /** `servers`: the records, as they stand for all nodes. */
  constructor(hub: MemoryHub, id: string, servers: readonly DownstreamServer[]) {
    this.id = id;
    this.#hub = hub;
    this.#coordination = createMemoryCoordination({ nodeId: id, hub });
    this.local = new TransportConnector({
      identity: { name: 'gateway', version: '1' },
      bus: this.#bus(),
      logger: this.logger,
      stdioAllowed: true,
      networks: anyNetwork(),
      credentials: { of: () => undefined, refused: async () => undefined },
      builtin: () => {
        throw new TypeError('no built-in tools here');
      },
      connectTimeoutMs: 5000,
      handshakeTimeoutMs: 5000,
      stdioStartTimeoutMs: 60_000,
      stdioIdleMs: 600_000,
      maxMessageBytes: 64 * 1024 * 1024,
      noteEra: () => {},
    });
    const members = this.#cuttable(this.#coordination.members);
    this.connector = new OwnedConnector({
      local: this.local,
      bus: this.#bus(),
      leases: this.#cuttable<Leases>(this.#coordination.leases),
      members,
      logger: this.logger,
      startTimeoutMs: 60_000,
      find: async ({ tenantId, userId }, serverId, revision) =>
        servers.find(
          (server) =>
            server.id === serverId &&
            server.revision === revision &&
            server.owner.tenantId === tenantId &&
            server.owner.userId === userId,
        ),
      onMoved: ({ id }) => this.moved.push(id),
    });
    this.#heartbeat = new Heartbeat(members, () => ({ ...MEMBER, id }));
  }

  async start(): Promise<this> {
    await this.#heartbeat.beat();
    return this;
  }

  async open(server: DownstreamServer, options: Partial<OpenOptions> = {}): Promise<OpenedLink> {
    const heard: Message[] = [];
    let restarts = 0;
    const listener = {
      message: (message: Message) => heard.push(message),
      restarted: () => {
        restarts++;
      },
    };
    const signal = new AbortController().signal;
    const link = await this.connector.open(server, { clientCapabilities: {}, listener, signal, ...options });
    return { link, heard, restarts: () => restarts };
  }

  /** Takes the others, and all that they share, away from this node. It does not notice until it asks. */
  cut(): void {
    this.#isCut = true;
    this.#receiver = this.#hub.receivers.get(this.id);
    this.#hub.receivers.delete(this.id);
  }

  mend(): void {
    this.#isCut = false;
    if (this.#receiver !== undefined) this.#hub.receivers.set(this.id, this.#receiver);
    for (const listener of this.#gapListeners) listener();
  }

  async stop(graceMs = 10_000): Promise<void> {
    this.connector.drain(graceMs);
    await this.connector.close();
    await this.#heartbeat.stop();
    await this.#coordination.close();
  }

  #bus(): Bus {
    const { bus } = this.#coordination;
    return {
      ...this.#cuttable<Bus>(bus),
      nodeId: bus.nodeId,
      send: async (to, message) => {
        const fate = this.fate();
        if (this.#isCut || fate === 'lost, not confirmed') throw unavailable();
        if (fate === 'nobody listens') return false;
        const heard = await bus.send(to, message);
        if (fate === 'heard, not confirmed') throw unavailable();
        return heard;
      },
      on: (kind, listener) => bus.on(kind, listener),
      onGap: (listener) => {
        this.#gapListeners.add(listener);
        return () => this.#gapListeners.delete(listener);
      },
    };
  }

  /** The same, with every method rejecting while this node is cut off. */
  #cuttable<T extends Leases | Members | Bus>(part: T): T {
    const names = Object.getOwnPropertyNames(Object.getPrototypeOf(part)) as (keyof T & string)[];
    const method =
      (name: keyof T & string) =>
      (...args: unknown[]) =>
        this.#isCut
          ? Promise.reject(unavailable())
          : (part[name] as (...args: unknown[]) => unknown).apply(part, args);
    return Object.fromEntries(
      names.filter((name) => name !== 'constructor').map((name) => [name, method(name)]),
    ) as unknown as T;
  }
}

const MEMBER: Member = {
  id: '',
  address: '127.0.0.1:1',
  version: '1',
  started: new Date(0).toISOString(),
  sessions: 0,
  streams: 0,
  state: 'ready',
};
