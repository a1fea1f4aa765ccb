import { Code, GatewayError } from '../protocol/errors.ts';
import type { Deadlines } from './port.ts';

/**
 * Why a request ends whose time went by while its client was to read. It is no fault of the server's, and must not look
 * like one: its breaker would open for everyone.
 */
export function notRead(): GatewayError {
  return new GatewayError(
    Code.Unavailable,
    'The client did not read what it was sent; the call was given up',
  );
}

/**
 * The two deadlines of one request: an idle one that signs of life move on, and a hard one. It makes no closures: V8 came to
 * put what they close over among what lives long, and with it all of a request stayed until the next large collection.
 */
export class Deadline {
  readonly #deadlines: Deadlines;
  readonly #expired: (error: GatewayError) => void;
  readonly #serverName: string;
  /** Monotonic milliseconds. */
  readonly #latest: number;
  readonly #idle: NodeJS.Timeout | undefined;
  /** Not before the idle one can no longer come first, which for most requests it always does. */
  #total: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor(deadlines: Deadlines, expired: (error: GatewayError) => void, serverName: string) {
    const { idleMs, totalMs } = deadlines;
    this.#deadlines = deadlines;
    this.#expired = expired;
    this.#serverName = serverName;
    this.#latest = performance.now() + totalMs;
    if (idleMs <= totalMs) this.#idle = setTimeout(Deadline.#idled, idleMs, this);
    else this.#total = setTimeout(Deadline.#elapsed, totalMs, this);
  }

  /** A sign of life. */
  refresh(): void {
    if (this.#isOver) return;
    this.#idle?.refresh();
    if (this.#total !== undefined) return;
    const left = this.#latest - performance.now();
    if (left <= this.#deadlines.idleMs) this.#total = setTimeout(Deadline.#elapsed, left, this);
  }

  clear(): void {
    this.#isOver = true;
    clearTimeout(this.#idle);
    clearTimeout(this.#total);
  }

  static #idled(deadline: Deadline): void {
    deadline.#expire(`did not answer within ${deadline.#deadlines.idleMs} ms`);
  }

  static #elapsed(deadline: Deadline): void {
    const { totalMs } = deadline.#deadlines;
    deadline.#expire(`took longer than ${totalMs} ms, the most that a call may take`);
  }

  #expire(what: string): void {
    this.#expired(new GatewayError(Code.DownstreamTimeout, `Server "${this.#serverName}" ${what}`));
  }
}
