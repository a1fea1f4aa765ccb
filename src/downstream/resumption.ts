import type { SseEvent } from '../protocol/sse.ts';
import { Backoff } from './backoff.ts';

/** Before asking for the rest of a broken stream, where the server named no `retry`. */
const DELAY_MS = 500;

/** Longest pause between attempts, unless `retry` is longer. */
const MAX_DELAY_MS = 4000;

/** Refusals in a row of the rest of a stream: the server may be on its way back, or not know yet that we were cut off. */
const MAX_REFUSALS = 4;

/** Where the stream of an answer stands, and when to ask for the rest of it where it breaks. */
export class Resumption {
  lastEventId: string | undefined;
  #retryMs = DELAY_MS;
  #attempts = 0;
  #refusals = 0;
  readonly #backoff = new Backoff(DELAY_MS, MAX_DELAY_MS);

  constructor(lastEventId: string | undefined) {
    this.lastEventId = lastEventId;
  }

  /** Returns whether the stream stands somewhere else now. */
  note({ id, retry }: SseEvent): boolean {
    if (retry !== undefined) this.#retryMs = retry;
    if (id === undefined || id === '' || id === this.lastEventId) return false;
    this.lastEventId = id;
    this.#attempts = 0;
    this.#backoff.reset();
    return true;
  }

  /** The server gives the rest, or says that it will: a server may well have its clients ask again and again. */
  granted(): void {
    this.#refusals = 0;
  }

  /** Milliseconds to wait before asking; undefined where there is nothing to ask by, or it was `refused` often enough. */
  next(refused: boolean): number | undefined {
    if (this.lastEventId === undefined || (refused && ++this.#refusals > MAX_REFUSALS)) return undefined;
    return ++this.#attempts === 1 ? this.#retryMs : Math.max(this.#retryMs, this.#backoff.next());
  }
}
