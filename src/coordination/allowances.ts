import type { Rate } from './token-bucket.ts';

/** What came of asking for tokens. */
export interface Taken {
  readonly count: number;
  /** Milliseconds until there is one more; 0 where there was all that was wanted. */
  readonly waitMs: number;
}

/**
 * What nodes share out among them of limits. Buckets and slots that nobody uses vanish by themselves. Rejects with
 * Unavailable while the store is away; what was asked for may have been done then.
 */
export interface Allowances {
  /** Gives `back` tokens to a bucket, which is full to begin with, and takes up to `want` from it. */
  take(id: string, rate: Rate, want: number, back: number): Promise<Taken>;
  /**
   * This node has `count` slots of `atOnce` in place of those that it had, or fewer where other nodes have the rest.
   * Resolves with how many; they are free again when they are not renewed for `ttlMs`.
   */
  hold(id: string, atOnce: number, nodeId: string, count: number, ttlMs: number): Promise<number>;
}
