import type { Lease, Leases } from '../leases.ts';
import type { MemoryHub } from './hub.ts';

export class MemoryLeases implements Leases {
  readonly #hub: MemoryHub;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  async acquire(resource: string, nodeId: string, ttlMs: number): Promise<Lease> {
    const now = Date.now();
    const held = this.#held(resource);
    if (held !== undefined && held.owner !== nodeId) return held;
    const token = held?.token ?? Math.max((this.#hub.leases.get(resource)?.token ?? 0) + 1, now);
    this.#hub.leases.set(resource, { token, owner: nodeId, expiresAt: now + ttlMs });
    return { owner: nodeId, token };
  }

  async renew(resource: string, lease: Lease, ttlMs: number): Promise<boolean> {
    if (!this.#isHeld(resource, lease)) return false;
    this.#hub.leases.set(resource, { ...lease, expiresAt: Date.now() + ttlMs });
    return true;
  }

  async release(resource: string, lease: Lease): Promise<void> {
    if (!this.#isHeld(resource, lease)) return;
    this.#hub.leases.set(resource, { token: lease.token, owner: undefined, expiresAt: 0 });
  }

  async holder(resource: string): Promise<Lease | undefined> {
    return this.#held(resource);
  }

  #held(resource: string): Lease | undefined {
    const record = this.#hub.leases.get(resource);
    if (record?.owner === undefined || record.expiresAt <= Date.now()) return undefined;
    return { owner: record.owner, token: record.token };
  }

  #isHeld(resource: string, lease: Lease): boolean {
    const held = this.#held(resource);
    return held?.owner === lease.owner && held.token === lease.token;
  }
}
