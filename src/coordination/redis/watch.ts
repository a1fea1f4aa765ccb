import type { Logger } from '../../telemetry/types.ts';

/**
 * What is away now: the store's answers, or a subscription. However much fails at once, the log gets one line when the
 * first part is lost and one when the last is back.
 */
export class Watch {
  readonly #logger: Logger;
  readonly #lost = new Set<string>();
  #since = 0;
  #closed = false;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Returns whether this is news. */
  lost(part: string, error: unknown): boolean {
    if (this.#closed || this.#lost.has(part)) return false;
    if (this.#lost.size === 0) {
      this.#since = performance.now();
      this.#logger.warn('Redis is away', {
        part,
        reason: error instanceof Error ? error.message : String(error),
      });
    }
    this.#lost.add(part);
    return true;
  }

  back(part: string): void {
    if (!this.#lost.delete(part) || this.#lost.size > 0) return;
    const seconds = Math.round((performance.now() - this.#since) / 10) / 100;
    this.#logger.info('Redis is back', { seconds });
  }

  close(): void {
    this.#closed = true;
    this.#lost.clear();
  }
}
