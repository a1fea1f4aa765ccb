import type { Allowances, Taken } from '../allowances.ts';
import { type Rate, TokenBucket } from '../token-bucket.ts';
import type { MemoryHub } from './hub.ts';

/** After a bucket is full again it is as one that never was. */
const SPARE_MS = 1000;

export class MemoryAllowances implements Allowances {
  readonly #hub: MemoryHub;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  async take(id: string, rate: Rate, want: number, back: number): Promise<Taken> {
    const now = Date.now();
    const bucket = this.#hub.buckets.get(id) ?? new TokenBucket(rate, now);
    if (back > 0) bucket.giveBack(back, now);
    const count = bucket.take(want, now);
    this.#hub.buckets.set(id, bucket, Math.ceil(bucket.fullMs(now)) + SPARE_MS);
    return { count, waitMs: count < want ? Math.ceil(bucket.waitMs(now)) : 0 };
  }

  async hold(id: string, atOnce: number, nodeId: string, count: number, ttlMs: number): Promise<number> {
    const now = Date.now();
    const holders = this.#hub.slots.get(id) ?? new Map();
    let others = 0;
    for (const [node, { count: held, expiresAt }] of holders) {
      if (expiresAt <= now) holders.delete(node);
      else if (node !== nodeId) others += held;
    }
    const granted = Math.max(0, Math.min(count, atOnce - others));
    if (granted > 0) holders.set(nodeId, { count: granted, expiresAt: now + ttlMs });
    else holders.delete(nodeId);
    this.#hub.slots.set(id, holders, ttlMs);
    return granted;
  }
}
