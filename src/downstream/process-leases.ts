import type { Bus } from '../coordination/bus.ts';
import type { Lease, Leases } from '../coordination/leases.ts';

/** A node that has gone is missed for so long, in milliseconds; then another may take what it owned. */
const LEASE_TTL_MS = 2500;

/** Three renewals may be late before a lease is over. */
const RENEW_MS = 700;

interface Held {
  lease: Lease;
  /** Another node has it now. */
  readonly onLost: () => void;
  isAsking: boolean;
}

/**
 * The leases of this node's processes, renewed for as long as they are kept. While the store is away they are kept too:
 * lost is only what another node is known to have.
 */
export class ProcessLeases {
  readonly #leases: Leases;
  readonly #nodeId: string;
  readonly #held = new Map<string, Held>();
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;

  constructor(leases: Leases, bus: Bus) {
    this.#leases = leases;
    this.#nodeId = bus.nodeId;
    this.#timer = setInterval(() => this.#renewAll(), RENEW_MS);
    this.#timer.unref();
    // Before others, who also find the store back, look for an owner.
    this.#unsubscribe = bus.onGap(() => this.#renewAll());
  }

  /** The lease of whoever has it; this node's where nobody had. */
  acquire(resource: string): Promise<Lease> {
    return this.#leases.acquire(resource, this.#nodeId, LEASE_TTL_MS);
  }

  holder(resource: string): Promise<Lease | undefined> {
    return this.#leases.holder(resource);
  }

  /** From now on a lease of this node's is renewed. */
  keep(resource: string, lease: Lease, onLost: () => void): void {
    this.#held.set(resource, { lease, onLost, isAsking: false });
  }

  /** Whether a lease is kept: it is this node's, as far as is known. */
  has(resource: string): boolean {
    return this.#held.has(resource);
  }

  /** Not renewed any more: another node has it, or it runs out. */
  forget(resource: string): void {
    this.#held.delete(resource);
  }

  /** Gives a lease back, so that another node need not wait for its time to run out. */
  async release(resource: string): Promise<void> {
    const held = this.#held.get(resource);
    this.#held.delete(resource);
    if (held === undefined) return;
    await this.#leases.release(resource, held.lease).catch(() => {
      // The store is away: its time runs out.
    });
  }

  close(): void {
    clearInterval(this.#timer);
    this.#unsubscribe();
  }

  #renewAll(): void {
    for (const [resource, held] of this.#held) void this.#renew(resource, held);
  }

  async #renew(resource: string, held: Held): Promise<void> {
    if (held.isAsking) return;
    held.isAsking = true;
    try {
      if (await this.#leases.renew(resource, held.lease, LEASE_TTL_MS)) return;
      // Run out, while the store was away or this node slow. Where nobody has taken it, it is this node's still.
      const lease = await this.#leases.acquire(resource, this.#nodeId, LEASE_TTL_MS);
      if (this.#held.get(resource) !== held) return await this.#giveBack(resource, lease);
      if (lease.owner === this.#nodeId) held.lease = lease;
      else held.onLost();
    } catch {
      // The store is away.
    } finally {
      held.isAsking = false;
    }
  }

  /** It was released while it was acquired anew. */
  async #giveBack(resource: string, lease: Lease): Promise<void> {
    if (lease.owner === this.#nodeId && !this.#held.has(resource))
      await this.#leases.release(resource, lease);
  }
}
