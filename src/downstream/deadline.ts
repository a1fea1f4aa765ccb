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
  /** Monotonic milliseconds: when it has to be over, and when the server was heard of last. */
  readonly #latest: number;
  #heardAt: number;
  /** For the idle one as long as that can come first, which for most requests it always does; then for the hard one. */
  #timer: NodeJS.Timeout | undefined;

  constructor(deadlines: Deadlines, expired: (error: GatewayError) => void, serverName: string) {
    const { idleMs, totalMs } = deadlines;
    const now = performance.now();
    this.#deadlines = deadlines;
    this.#expired = expired;
    this.#serverName = serverName;
    this.#latest = now + totalMs;
    this.#heardAt = now;
    this.#timer = setTimeout(Deadline.#due, Math.min(idleMs, totalMs), this);
  }

  /** A sign of life. The timer is left alone, which costs less: where it was too early it looks again. */
  refresh(): void {
    this.#heardAt = performance.now();
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }

  static #due(deadline: Deadline): void {
    deadline.#look();
  }

  #look(): void {
    const { idleMs, totalMs } = this.#deadlines;
    const now = performance.now();
    const idleLeft = this.#heardAt + idleMs - now;
    const left = this.#latest - now;
    // A timer may fire a little early by this clock.
    if (Math.min(idleLeft, left) > 1) this.#timer = setTimeout(Deadline.#due, Math.min(idleLeft, left), this);
    else if (left < idleLeft) this.#expire(`took longer than ${totalMs} ms, the most that a call may take`);
    else this.#expire(`did not answer within ${idleMs} ms`);
  }

  #expire(what: string): void {
    this.#expired(new GatewayError(Code.DownstreamTimeout, `Server "${this.#serverName}" ${what}`));
  }
}
