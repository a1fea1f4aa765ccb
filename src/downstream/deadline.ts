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
  readonly #idle: NodeJS.Timeout;
  readonly #total: NodeJS.Timeout;

  constructor(deadlines: Deadlines, expired: (error: GatewayError) => void, serverName: string) {
    const { idleMs, totalMs } = deadlines;
    const expire = (what: string) =>
      expired(new GatewayError(Code.DownstreamTimeout, `Server "${serverName}" ${what}`));
    this.#idle = setTimeout(expire, idleMs, `did not answer within ${idleMs} ms`);
    this.#total = setTimeout(
      expire,
      totalMs,
      `took longer than ${totalMs} ms, the most that a call may take`,
    );
  }

  /** A sign of life. */
  refresh(): void {
    this.#idle.refresh();
  }

  clear(): void {
    clearTimeout(this.#idle);
    clearTimeout(this.#total);
  }
}
