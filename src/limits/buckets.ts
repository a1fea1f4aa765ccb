import { Bucket, type BucketOptions } from './bucket.ts';

/** Bytes are bounded: beyond so many, those that were made first are forgotten first. */
const MAX_BUCKETS = 100_000;

export type BucketsOptions = Pick<BucketOptions, 'shared' | 'now'> & { readonly maxBuckets?: number };

/** All buckets of a node, by what they stand for. */
export class Buckets {
  readonly #options: BucketsOptions;
  readonly #max: number;
  readonly #all = new Map<string, Bucket>();
  /** Those that hold something of what nodes share. */
  readonly #active = new Set<Bucket>();

  constructor(options: BucketsOptions) {
    this.#options = options;
    this.#max = options.maxBuckets ?? MAX_BUCKETS;
  }

  get size(): number {
    return this.#all.size;
  }

  of(id: string, limit: BucketOptions['limit']): Bucket {
    const known = this.#all.get(id);
    if (known !== undefined) return known;
    if (this.#all.size >= this.#max) this.#makeRoom();
    const { shared, now } = this.#options;
    const bucket = new Bucket({ id, limit, shared, now });
    this.#all.set(id, bucket);
    return bucket;
  }

  /** It has to be looked after. */
  use(bucket: Bucket): void {
    if (this.#options.shared !== undefined) this.#active.add(bucket);
  }

  wanted(id: string): void {
    this.#all.get(id)?.wanted();
  }

  tick(now: number): void {
    for (const bucket of this.#active) if (!bucket.tick(now)) this.#active.delete(bucket);
  }

  /** Forgets what is as if it had never been used. */
  sweep(now: number): void {
    for (const bucket of this.#all.values()) {
      if (!this.#active.has(bucket) && bucket.isIdle(now)) this.#drop(bucket);
    }
  }

  async close(): Promise<void> {
    await Promise.all([...this.#active].map((bucket) => bucket.close()));
  }

  #makeRoom(): void {
    this.sweep(this.#options.now());
    for (const bucket of this.#all.values()) {
      if (this.#all.size < this.#max) return;
      if (bucket.isFree) this.#drop(bucket);
    }
  }

  #drop(bucket: Bucket): void {
    bucket.isDropped = true;
    this.#all.delete(bucket.id);
    this.#active.delete(bucket);
  }
}
