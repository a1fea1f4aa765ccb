interface Kept<T> {
  readonly value: T;
  /** Milliseconds since the epoch. */
  readonly expiresAt: number;
}

/** Values that go when their time is over. New ones pay for old ones, so nothing has to run while nothing happens. */
export class ExpiringMap<T> {
  readonly #kept = new Map<string, Kept<T>>();
  #sweptAt = 0;

  get(key: string): T | undefined {
    const kept = this.#kept.get(key);
    return kept !== undefined && kept.expiresAt > Date.now() ? kept.value : undefined;
  }

  set(key: string, value: T, ttlMs: number): void {
    const now = Date.now();
    this.#sweep(now);
    this.#kept.set(key, { value, expiresAt: now + ttlMs });
  }

  /** False: it is gone. */
  keep(key: string, ttlMs: number): boolean {
    const value = this.get(key);
    if (value === undefined) return false;
    this.set(key, value, ttlMs);
    return true;
  }

  #sweep(now: number): void {
    if (now - this.#sweptAt < 10_000) return;
    this.#sweptAt = now;
    for (const [key, { expiresAt }] of this.#kept) if (expiresAt <= now) this.#kept.delete(key);
  }
}
