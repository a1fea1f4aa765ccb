/** How often it is looked whether keys have come to their end, in milliseconds. */
const LOOK_MS = 1000;

/** Keys with an end that are watched at a time; beyond, the one that was used longest ago is not. */
const MAX_WATCHED = 20_000;

/** Tells when API keys that are in use come to the end that they were made with. */
export class KeyEnds {
  readonly #onEnd: (keyId: string) => void;
  readonly #ends = new Map<string, number>();
  #timer: NodeJS.Timeout | undefined;

  constructor(onEnd: (keyId: string) => void) {
    this.#onEnd = onEnd;
  }

  /** `endsAt`: in milliseconds since the epoch. */
  watch(keyId: string, endsAt: number): void {
    if (!Number.isFinite(endsAt)) return;
    this.#ends.delete(keyId);
    const [oldest] = this.#ends.keys();
    if (oldest !== undefined && this.#ends.size >= MAX_WATCHED) this.#ends.delete(oldest);
    this.#ends.set(keyId, endsAt);
    this.#timer ??= setInterval(() => this.#look(), LOOK_MS).unref();
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.#ends.clear();
  }

  #look(): void {
    const now = Date.now();
    for (const [keyId, endsAt] of this.#ends) {
      if (endsAt > now) continue;
      this.#ends.delete(keyId);
      this.#onEnd(keyId);
    }
    if (this.#ends.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
