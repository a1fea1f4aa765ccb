import type { TestContext } from 'node:test';
import type { Owner } from '../../src/auth/principal.ts';
import { Catalogs } from '../../src/catalog/catalogs.ts';
import { CatalogEntry } from '../../src/catalog/entry.ts';
import { ServerRegistry } from '../../src/catalog/registry.ts';
import { CatalogSharing } from '../../src/catalog/sharing.ts';
import type { CatalogStore } from '../../src/coordination/catalog-store.ts';
import { Heartbeat } from '../../src/coordination/heartbeat.ts';
import type { Member } from '../../src/coordination/members.ts';
import { createMemoryCoordination, MemoryHub } from '../../src/coordination/memory/index.ts';
import { unavailable } from '../../src/coordination/unavailable.ts';
import type { ServerRecord, ServerRepository } from '../../src/db/server-record.ts';
import type { DownstreamServer } from '../../src/downstream/port.ts';
import { parseMessage } from '../../src/protocol/envelope.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { LONG_MS } from './coordination.ts';
import { FakeConnector, FakeLink, fakeRecord, fakeServer, listing, recordingLogger } from './fakes.ts';

const LIST_CHANGED = parseMessage('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}', 64);

/** A server that all nodes of a test reach, and what it sees of them. */
export class SharedServer {
  tools: string[] = ['a'];
  /** Thrown at whoever opens a link. */
  down: GatewayError | undefined;
  /** Waited for before a link opens. */
  gate: Promise<void> = Promise.resolve();
  /** All links ever opened, with the node that did. */
  readonly links: { readonly node: CatalogNode; readonly link: FakeLink; readonly say: () => void }[] = [];
  /** Attempts to open a link. */
  attempts = 0;

  get fetches(): number {
    return this.links.reduce((sum, { link }) => sum + link.requests.length, 0);
  }

  /** Links that are not closed, of nodes that live. */
  get open() {
    return this.links.filter(({ link, node }) => link.closed === 0 && !node.isKilled);
  }

  /** Other tools, and says so. */
  change(...tools: string[]): void {
    this.tools = tools;
    for (const { say } of this.open) say();
  }

  connector(node: CatalogNode): FakeConnector {
    return new FakeConnector(async (server, { listener }) => {
      this.attempts++;
      await this.gate;
      if (this.down !== undefined) throw this.down;
      const tools = () => this.tools.map((name) => JSON.stringify({ name, inputSchema: { type: 'object' } }));
      const link = new FakeLink(server, listing({ tools }));
      this.links.push({ node, link, say: () => listener.message(LIST_CHANGED) });
      return link;
    });
  }
}

interface NodesOptions {
  /** Of a catalog. Default: longer than a test takes. */
  readonly ttlMs?: number;
  /** For those that kill nodes; default: so long that a slow machine moves nothing. */
  readonly leaseTtlMs?: number;
}

/** A node with catalogs and nothing else, whose store and bus can be taken away. */
export class CatalogNode {
  readonly id: string;
  readonly sharing: CatalogSharing;
  readonly checks: CatalogStore;
  readonly connector: FakeConnector;
  readonly logger = recordingLogger();
  readonly options: NodesOptions;
  isKilled = false;
  /** The store answers nothing and the bus carries nothing. */
  isAway = false;
  readonly #gaps = new Set<() => void>();
  readonly #bus;
  readonly #heartbeat: Heartbeat;
  readonly #closing: (() => Promise<void>)[] = [];

  constructor(id: string, hub: MemoryHub, server: SharedServer, options: NodesOptions) {
    this.id = id;
    this.options = options;
    this.connector = server.connector(this);
    const coordination = createMemoryCoordination({ nodeId: id, hub });
    const { leases, members, catalogs } = coordination;
    const real = coordination.bus;
    this.#bus = {
      nodeId: id,
      send: this.#guarded(real.send.bind(real)),
      broadcast: this.#guarded(real.broadcast.bind(real)),
      on: (kind: string, listener: Parameters<typeof real.on>[1]) =>
        real.on(kind, (message, from) => {
          if (!this.isAway) listener(message, from);
        }),
      onGap: (listener: () => void) => {
        this.#gaps.add(listener);
        return () => void this.#gaps.delete(listener);
      },
      close: () => real.close(),
    };
    const store = {
      read: this.#guarded(catalogs.read.bind(catalogs)),
      write: this.#guarded(catalogs.write.bind(catalogs)),
      keep: this.#guarded(catalogs.keep.bind(catalogs)),
      lastCheck: this.#guarded(catalogs.lastCheck.bind(catalogs)),
      noteCheck: this.#guarded(catalogs.noteCheck.bind(catalogs)),
    };
    this.checks = store;
    const guardedMembers = {
      beat: this.#guarded(members.beat.bind(members)),
      leave: this.#guarded(members.leave.bind(members)),
      list: this.#guarded(members.list.bind(members)),
      isAlive: this.#guarded(members.isAlive.bind(members)),
    };
    this.#heartbeat = new Heartbeat(guardedMembers, () => member(id));
    this.sharing = new CatalogSharing({
      bus: this.#bus,
      leases: {
        acquire: this.#guarded(leases.acquire.bind(leases)),
        renew: this.#guarded(leases.renew.bind(leases)),
        release: this.#guarded(leases.release.bind(leases)),
        holder: this.#guarded(leases.holder.bind(leases)),
      },
      members: guardedMembers,
      store,
      logger: this.logger,
      leaseTtlMs: options.leaseTtlMs ?? LONG_MS,
    });
  }

  start(): Promise<void> {
    return this.#heartbeat.beat();
  }

  /** As a process that is killed: it says nothing more, and hears nothing. */
  kill(): void {
    this.isKilled = true;
    this.isAway = true;
  }

  /** The store and the bus answer again, and the bus says that messages may have been missed. */
  back(): void {
    this.isAway = false;
    for (const listener of this.#gaps) listener();
  }

  /** What the server lists to clients with these capabilities; `changes` counts what is heard of it. */
  entry(server: DownstreamServer = fakeServer('files'), clientCapabilities: Record<string, unknown> = {}) {
    const watched = { changes: 0 };
    const entry = new CatalogEntry(
      server,
      { ...this.#options, clientCapabilities },
      () => {
        watched.changes++;
      },
      undefined,
    );
    this.#closing.push(() => entry.close());
    return Object.assign(entry, {
      names: () => entry.catalog?.tools.map(({ key }) => key).join(' '),
      changes: () => watched.changes,
    });
  }

  /** All catalogs, over servers that are records. */
  catalogs(records: readonly ServerRecord[] = [fakeRecord('files')]): Catalogs {
    const repository: Partial<ServerRepository> = {
      all: async (_owner: Owner) => records,
      shared: async () => [],
    };
    const registry = new ServerRegistry(repository as ServerRepository, this.#bus);
    const catalogs = new Catalogs({
      ...this.#options,
      registry,
      checks: this.checks,
      builtin: undefined,
      pageSize: 100,
    });
    this.#closing.push(async () => {
      registry.close();
      await catalogs.close();
    });
    return catalogs;
  }

  async close(): Promise<void> {
    await this.#heartbeat.stop();
    await Promise.all(this.#closing.map((close) => close()));
    await this.sharing.close();
    await this.#bus.close();
  }

  get #options() {
    const { connector, logger, sharing } = this;
    const ttlMs = this.options.ttlMs ?? LONG_MS;
    return { connector, logger, sharing, ttlMs, listTimeoutMs: 5000 };
  }

  #guarded<A extends unknown[], R>(method: (...args: A) => Promise<R>): (...args: A) => Promise<R> {
    return async (...args) => {
      if (this.isAway) throw unavailable();
      return method(...args);
    };
  }
}

/** Nodes of one cluster in this process, and a server that they share. They close with the test. */
export async function startCatalogNodes(t: TestContext, count: number, options: NodesOptions = {}) {
  const hub = new MemoryHub();
  const server = new SharedServer();
  const nodes = Array.from({ length: count }, (_, n) => new CatalogNode(`n${n}`, hub, server, options));
  await Promise.all(nodes.map((node) => node.start()));
  t.after(() => Promise.all(nodes.map((node) => node.close())));
  return { hub, server, nodes };
}

export const away = () => new GatewayError(Code.DownstreamUnavailable, 'Server "files" is away');

function member(id: string): Member {
  const started = new Date(0).toISOString();
  return { id, address: 'x:1', version: '1', started, sessions: 0, streams: 0, state: 'ready' };
}
