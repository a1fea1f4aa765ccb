import { Code, GatewayError } from '../protocol/errors.ts';
import type { Deadlines } from './port.ts';

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
