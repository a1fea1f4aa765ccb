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

/** The two deadlines of one request: an idle one that signs of life move on, and a hard one. */
export class Deadline {
  readonly #idleMs: number;
  /** Monotonic milliseconds. */
  readonly #latest: number;
  readonly #expire: (what: string) => void;
  readonly #totalReason: string;
  readonly #idle: NodeJS.Timeout | undefined;
  /** Not before the idle one can no longer come first, which for most requests it always does. */
  #total: NodeJS.Timeout | undefined;
  #isOver = false;

  constructor({ idleMs, totalMs }: Deadlines, expired: (error: GatewayError) => void, serverName: string) {
    this.#idleMs = idleMs;
    this.#latest = performance.now() + totalMs;
    this.#totalReason = `took longer than ${totalMs} ms, the most that a call may take`;
    this.#expire = (what) =>
      expired(new GatewayError(Code.DownstreamTimeout, `Server "${serverName}" ${what}`));
    if (idleMs <= totalMs)
      this.#idle = setTimeout(this.#expire, idleMs, `did not answer within ${idleMs} ms`);
    else this.#total = setTimeout(this.#expire, totalMs, this.#totalReason);
  }

  /** A sign of life. */
  refresh(): void {
    if (this.#isOver) return;
    this.#idle?.refresh();
    if (this.#total !== undefined) return;
    const left = this.#latest - performance.now();
    if (left <= this.#idleMs) this.#total = setTimeout(this.#expire, left, this.#totalReason);
  }

  clear(): void {
    this.#isOver = true;
    clearTimeout(this.#idle);
    clearTimeout(this.#total);
  }
}
