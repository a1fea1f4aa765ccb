import type { Lease } from '../coordination/leases.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { OtherWatcher } from './other-watcher.ts';
import type { ReadRecord, SharedRecord } from './shared-record.ts';
import type { WatchContext } from './watch-context.ts';
import { WatchLease } from './watch-lease.ts';
import { type CatalogSource, type CatalogState, ServerWatcher, type WatcherOptions } from './watcher.ts';

/** Between two looks for a watcher that let go without a word. Each node adds up to a fifth, so that they do not look all at once. */
const POLL_MS = 5000;

/** For how long the store may be away before a node asks the server for itself: one slow answer is no outage. */
const PATIENCE_MS = 1500;

/** In how many ways a refresh is tried before this node asks the server for itself. */
const REFRESH_ATTEMPTS = 4;

export interface SharedWatchOptions {
  /** The same on every node. */
  readonly id: string;
  readonly server: DownstreamServer;
  readonly watcher: WatcherOptions;
  readonly context: WatchContext;
  readonly record: SharedRecord;
  readonly known: CatalogState;
  readonly onState: (state: CatalogState) => void;
  /** This node may still be letting go of an earlier watch of the same id. */
  readonly after: Promise<unknown>;
}

/**
 * What one server lists to clients of one kind, for the whole cluster: the node that holds the lease watches the server
 * and writes, the others read. A node that cannot reach the store goes on with what it has, and watches for itself
 * where it has nothing, until it can.
 */
export class SharedWatch implements CatalogSource {
  readonly #options: SharedWatchOptions;
  readonly #lease: WatchLease;
  readonly #other: OtherWatcher;
  readonly #settled = Promise.withResolvers<void>();
  #isSettled = false;
  #state: CatalogState;
  #started = false;
  #startedAt = 0;
  /** This node is to watch no more, as it is about to stop. */
  #retired = false;
  #closed = false;
  /** What this node watches the server with: since it holds the lease, or since it cannot know who does. */
  #watcher: ServerWatcher | undefined;
  #pollAt = 0;
  #awaySince: number | undefined;
  #contending: Promise<void> | undefined;
  #again = false;

  constructor(options: SharedWatchOptions) {
    const { id, context, record } = options;
    this.#options = options;
    this.#state = options.known;
    this.#lease = new WatchLease(id, context, record, () => void this.contend());
    this.#other = new OtherWatcher(id, context);
  }

  get isHolder(): boolean {
    return this.#lease.token !== undefined;
  }

  /** Depends on another node. */
  get isFollowing(): boolean {
    return this.#started && !this.isHolder;
  }

  ready(): Promise<void> {
    if (this.#start()) void this.contend();
    return this.#settled.promise;
  }

  async refresh(): Promise<void> {
    this.#start();
    for (let attempt = 0; attempt < REFRESH_ATTEMPTS && !this.#closed; attempt++) {
      const watcher = this.#watcher;
      if (watcher === undefined) {
        if (await this.#askOther()) return;
        await this.contend();
      } else {
        await watcher.refresh();
        // One that was closed meanwhile, since another node watches now, has not asked.
        if (!watcher.isClosed) return;
      }
    }
    if (!this.#closed) await this.#askServer();
  }

  async refreshStale(): Promise<void> {
    await this.#watcher?.refreshStale();
  }

  changed(): void {
    if (this.#watcher !== undefined) this.#watcher.changed();
    else if (this.#started) this.#other.soon(() => void this.#tellOther());
  }

  /** Asks the server for another node, as the one that watches. Resolves with the version of what was written; undefined where nothing was. */
  async refreshForOthers(): Promise<number | undefined> {
    const watcher = this.#watcher;
    if (!this.isHolder || watcher === undefined) return undefined;
    await watcher.refresh();
    return watcher.isClosed || this.#lease.isUnsaved ? undefined : this.#options.record.version;
  }

  /** Another node has heard that a list is another. */
  changedElsewhere(): void {
    this.#watcher?.changed();
  }

  /** Another node has written. */
  written(version: number): void {
    if (version > this.#options.record.version) this.lookAgain();
  }

  /** The node that watched may have stopped, or news of it may have been missed. */
  lookAgain(): void {
    if (this.#started) void this.contend();
  }

  /** Finds out who watches, and takes it on where nobody does; reads what there is. Never rejects. */
  contend(): Promise<void> {
    this.#again = true;
    this.#contending ??= this.#contendWhileAsked();
    return this.#contending;
  }

  /** To be called twice a second. */
  tick(): void {
    if (!this.#started || this.#closed) return;
    if (this.isHolder) return void this.#lease.tick();
    const isPending = !this.#isSettled || this.#watcher !== undefined;
    const isFree = !this.#retired && this.#other.isGone;
    if (this.#contending === undefined && (isPending || isFree || Date.now() >= this.#pollAt))
      void this.contend();
  }

  /** Leaves the server to the other nodes, and goes on reading. */
  async retire(): Promise<void> {
    this.#retired = true;
    if (this.isHolder) this.#stopWatching();
    await this.#lease.release(true);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#retired = true;
    this.#other.close();
    this.#settle();
    const watcher = this.#watcher;
    this.#watcher = undefined;
    // Nobody is told: where the server has gone, the others are about to hear of it, and none is to take it on again.
    await Promise.all([this.#lease.release(false), watcher?.close(), this.#contending]);
  }

  /** False: it has been before. */
  #start(): boolean {
    if (this.#started) return false;
    this.#started = true;
    this.#startedAt = Date.now();
    return true;
  }

  async #contendWhileAsked(): Promise<void> {
    await this.#options.after;
    while (this.#again && !this.#closed) {
      this.#again = false;
      await this.#contendOnce();
    }
    // In the same turn as the look at `again`: who asks later starts anew.
    this.#contending = undefined;
  }

  async #contendOnce(): Promise<void> {
    const before = this.#lease.token;
    try {
      const lease = this.#retired ? await this.#lease.holder() : await this.#lease.acquire();
      if (lease?.owner !== this.#options.context.nodeId) await this.#follow(lease);
      else if (this.#retired) await this.#lease.release(!this.#closed);
      else {
        this.#other.lease = undefined;
        if (lease.token !== before) await this.#takeOn(lease.token);
      }
      this.#awaySince = undefined;
    } catch (error) {
      this.#storeFailed(error);
    }
  }

  async #takeOn(token: number): Promise<void> {
    // It was watched all the time, while the store was away or nobody renewed.
    if (this.#watcher !== undefined) return void this.#save();
    const found = await this.#options.record.read().catch(() => undefined);
    if (this.#lease.token !== token || this.#watcher !== undefined) return;
    // What an earlier watcher has left, until the server has answered.
    if (found !== undefined) this.#adopt(found);
    this.#watch();
  }

  async #follow(lease: Lease | undefined): Promise<void> {
    this.#other.lease = lease;
    this.#pollAt = Date.now() + POLL_MS * (1 + Math.random() / 5);
    const found = await this.#options.record.read();
    if (this.#closed || this.isHolder) return;
    const isCurrent = found !== undefined && found.token >= (lease?.token ?? 0);
    if (found !== undefined && (isCurrent || this.#watcher === undefined)) this.#adopt(found);
    if (isCurrent && found.state !== undefined) this.#settleBehind();
    else if (this.#watcher === undefined && (isCurrent || this.#isInVain(lease))) {
      // Something that this node cannot read, or nothing at all.
      this.#watch();
    }
  }

  /** Whether nobody is going to write what this node still waits for: none watches, or one that should have by now. */
  #isInVain(lease: Lease | undefined): boolean {
    if (this.#isSettled) return false;
    // A handshake and a list.
    const bound = 2 * this.#options.watcher.listTimeoutMs + PATIENCE_MS;
    return lease === undefined || Date.now() - this.#startedAt > bound;
  }

  /** Goes by what another node writes from now on. */
  #settleBehind(): void {
    const wasWatching = this.#watcher !== undefined;
    this.#stopWatching();
    this.#settle();
    // What this node has seen of the server may be newer than what the other has.
    if (wasWatching) this.#other.soon(() => void this.#tellOther());
  }

  #storeFailed(error: unknown): void {
    const { context, server, watcher } = this.#options;
    if (GatewayError.from(error).code !== Code.Unavailable)
      context.logger.error('a catalog could not be shared', { server: server.name, err: error });
    const now = Date.now();
    this.#awaySince ??= now;
    const patience = Math.min(PATIENCE_MS, watcher.listTimeoutMs / 2);
    if (this.#closed || this.#watcher !== undefined || now - this.#awaySince < patience) return;
    const isOld =
      server.target.kind === 'http' && now - (this.#state.checkedAt?.getTime() ?? 0) >= watcher.ttlMs;
    if (!this.#isSettled || isOld) this.#watch();
  }

  #watch(): void {
    const { server, watcher: options } = this.#options;
    const watcher = new ServerWatcher(server, options, this.#state, async (state) => {
      if (this.#watcher !== watcher) return;
      this.#apply(state);
      this.#settle();
      await this.#save();
    });
    this.#watcher = watcher;
    void watcher.refresh();
  }

  #stopWatching(): void {
    void this.#watcher?.close();
    this.#watcher = undefined;
  }

  /** Does nothing where another node holds the lease. */
  async #save(): Promise<void> {
    if (this.isHolder && this.#state.checkedAt !== undefined) await this.#lease.save(this.#state);
  }

  async #askOther(): Promise<boolean> {
    const { record } = this.#options;
    const version = await this.#other.askRefresh();
    if (version === undefined) return false;
    if (record.version < version) await this.contend();
    return record.version >= version;
  }

  async #tellOther(): Promise<void> {
    if (this.#watcher !== undefined) return this.#watcher.changed();
    try {
      if (!(await this.#other.tellChanged())) await this.contend();
    } catch {
      // Nobody can be told, and what this node has is known to be old.
      if (this.#watcher === undefined && !this.#closed) this.#watch();
    }
  }

  /** Once, on this node's own account: nobody else could be asked to. */
  async #askServer(): Promise<void> {
    const { server, watcher: options } = this.#options;
    const watcher = new ServerWatcher(server, options, this.#state, (state) => {
      this.#apply(state);
      this.#settle();
    });
    await watcher.refresh();
    await watcher.close();
    this.#other.soon(() => void this.#tellOther());
  }

  #adopt({ version, state }: ReadRecord): void {
    const { record } = this.#options;
    if (state === undefined || version <= record.version) return;
    record.version = version;
    this.#apply(state);
  }

  #apply(state: CatalogState): void {
    if (this.#closed) return;
    this.#state = state;
    this.#options.onState(state);
  }

  #settle(): void {
    this.#isSettled = true;
    this.#settled.resolve();
  }
}
