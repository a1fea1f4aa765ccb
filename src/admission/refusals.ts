import type { GatewayError } from '../protocol/errors.ts';

export interface RefusalsOptions {
  /** So many are told in a second; a refusal costs a read and a write, about a third of a call. */
  readonly perSecond: number;
  /** So many at once after a quiet time. */
  readonly burst: number;
  /** Nobody waits for longer, in milliseconds, however many there are. */
  readonly longestMs: number;
  /** Share of those who wait that there is time for in {@link TICK_MS}. Default: 0. */
  readonly ease?: () => number;
  readonly now?: () => number;
}

const TICK_MS = 20;

/** Who is to be told. Whoever has gone away meanwhile is told nothing, by its own doing. */
interface Refused {
  fail(error: GatewayError): void;
}

/**
 * Tells those who are refused, at once while they are few. A client that asks again as soon as it is refused would make the
 * node one that does nothing but refuse; where they are many they wait for their refusals, in order, and on that connection
 * nothing else can be asked meanwhile.
 */
export class Refusals {
  readonly #options: RefusalsOptions;
  readonly #now: () => number;
  #tokens: number;
  #filledAt: number;
  #timer: NodeJS.Timeout | undefined;
  #waiting: { readonly who: Refused; readonly error: GatewayError }[] = [];
  /** How many of those have been told. */
  #told = 0;

  constructor(options: RefusalsOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
    this.#tokens = options.burst;
    this.#filledAt = this.#now();
  }

  /** How many wait. */
  get waiting(): number {
    return this.#waiting.length - this.#told;
  }

  tell(who: Refused, error: GatewayError): void {
    if (this.waiting === 0) {
      this.#fill();
      if (this.#tokens >= 1) {
        this.#tokens--;
        return who.fail(error);
      }
    }
    this.#waiting.push({ who, error });
    this.#timer ??= setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** Tells those whose time has come. */
  tick(): void {
    const elapsed = this.#now() - this.#filledAt;
    this.#fill();
    const { longestMs, ease } = this.#options;
    const share = Math.max(elapsed / longestMs, ease?.() ?? 0);
    const count = Math.min(this.waiting, Math.max(Math.floor(this.#tokens), Math.ceil(this.waiting * share)));
    this.#tokens = Math.max(0, this.#tokens - count);
    this.#tellNext(count);
  }

  /** Tells everybody: the node stops. */
  flush(): void {
    this.#tellNext(this.waiting);
  }

  #fill(): void {
    const now = this.#now();
    const { burst, perSecond } = this.#options;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#filledAt) * perSecond) / 1000);
    this.#filledAt = now;
  }

  #tellNext(count: number): void {
    const until = Math.min(this.#told + count, this.#waiting.length);
    const next = this.#waiting.slice(this.#told, until);
    this.#told = until;
    if (this.waiting === 0) {
      this.#waiting = [];
      this.#told = 0;
      clearInterval(this.#timer);
      this.#timer = undefined;
    } else if (this.#told > this.#waiting.length / 2) {
      this.#waiting = this.#waiting.slice(this.#told);
      this.#told = 0;
    }
    for (const { who, error } of next) who.fail(error);
  }
}
