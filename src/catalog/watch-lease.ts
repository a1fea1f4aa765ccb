import type { Lease } from '../coordination/leases.ts';
import type { SharedRecord } from './shared-record.ts';
import { leaseOf, type WatchContext } from './watch-context.ts';
import type { CatalogState } from './watcher.ts';

const RENEW_MS = 1000;

/** Between two notes to the store that the catalog is still in use. */
const KEEP_MS = 60_000;

/** This node's side of the lease of one watch, and what it writes while it has it. */
export class WatchLease {
  readonly #id: string;
  readonly #context: WatchContext;
  readonly #record: SharedRecord;
  /** The lease has gone to another node, or to nobody. */
  readonly #onLost: () => void;
  #lease: Lease | undefined;
  /** Milliseconds since the epoch. */
  #renewedAt = 0;
  #keptAt = 0;
  #renewing = false;
  #unsaved: CatalogState | undefined;
  #saved: CatalogState | undefined;
  #saving: Promise<void> | undefined;

  constructor(id: string, context: WatchContext, record: SharedRecord, onLost: () => void) {
    this.#id = id;
    this.#context = context;
    this.#record = record;
    this.#onLost = onLost;
  }

  /** Of the lease, while this node has it. */
  get token(): number | undefined {
    return this.#lease?.token;
  }

  /** Something is known here that the store has not been given yet. */
  get isUnsaved(): boolean {
    return this.#unsaved !== undefined;
  }

  /** Takes the lease, or says who has it. Rejects with Unavailable while the store is away. */
  async acquire(): Promise<Lease> {
    const { leases, nodeId, leaseTtlMs } = this.#context;
    const startedAt = Date.now();
    const lease = await leases.acquire(leaseOf(this.#id), nodeId, leaseTtlMs);
    if (lease.owner !== nodeId) this.#drop();
    else {
      if (this.#lease?.token !== lease.token) this.#keptAt = startedAt;
      this.#lease = lease;
      this.#renewedAt = startedAt;
    }
    return lease;
  }

  /** Who has the lease, without a wish to. */
  holder(): Promise<Lease | undefined> {
    return this.#context.leases.holder(leaseOf(this.#id));
  }

  /** Renews the lease where it is time to, and writes what could not be written. Never rejects. */
  async tick(): Promise<void> {
    const lease = this.#lease;
    const now = Date.now();
    if (lease === undefined || this.#renewing || now - this.#renewedAt < RENEW_MS) return;
    this.#renewing = true;
    try {
      const { leases, leaseTtlMs } = this.#context;
      if (await leases.renew(leaseOf(this.#id), lease, leaseTtlMs)) await this.#renewed(now);
      else if (this.#lease === lease) {
        this.#drop();
        this.#onLost();
      }
    } catch {
      // The store is away. This node goes on watching; who does when it is back shows then.
    } finally {
      this.#renewing = false;
    }
  }

  /** Writes, where this node has the lease, and tells the others; as soon as it can, where the store is away. Never rejects. */
  save(state: CatalogState): Promise<void> {
    this.#unsaved = state;
    this.#saving ??= this.#saveAll();
    return this.#saving;
  }

  /** Gives the lease back. `tell`: the others are to take it on at once. Never rejects. */
  async release(tell: boolean): Promise<void> {
    const lease = this.#lease;
    this.#drop();
    if (lease === undefined) return;
    try {
      await this.#context.leases.release(leaseOf(this.#id), lease);
      if (tell) this.#context.released(this.#id);
    } catch {
      // The store is away. The lease ends by itself.
    }
  }

  /** What was known under one lease is not written under the next. */
  #drop(): void {
    this.#lease = undefined;
    this.#unsaved = undefined;
    this.#saved = undefined;
  }

  async #renewed(at: number): Promise<void> {
    this.#renewedAt = at;
    if (this.#unsaved !== undefined) return this.save(this.#unsaved);
    if (at - this.#keptAt < KEEP_MS || this.#saved === undefined) return;
    this.#keptAt = at;
    if (!(await this.#record.keep())) await this.save(this.#saved);
  }

  async #saveAll(): Promise<void> {
    try {
      while (this.#unsaved !== undefined && this.#lease !== undefined) {
        const state = this.#unsaved;
        const isWritten = await this.#record.write(state, this.#lease.token);
        if (this.#unsaved === state) this.#unsaved = undefined;
        this.#saved = state;
        if (isWritten) this.#context.written(this.#id, this.#record.version);
        else this.#onLost();
      }
    } catch {
      // The store is away: the next renewal writes.
    }
    // In the same turn as the look at what is unsaved: what comes later is written anew.
    this.#saving = undefined;
  }
}
