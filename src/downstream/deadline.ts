import { Code, GatewayError } from '../protocol/errors.ts';
import type { Deadlines } from './port.ts';

/** The two deadlines of one request: an idle one that signs of life move on, and a hard one. */
export class Deadline {
  readonly #idle: NodeJS.Timeout;
  readonly #total: NodeJS.Timeout;

  constructor(deadlines: Deadlines, expired: (error: GatewayError) => void, serverName: string) {
    const expire = (ms: number) =>
      expired(
        new GatewayError(Code.DownstreamTimeout, `Server "${serverName}" did not answer within ${ms} ms`),
      );
    this.#idle = setTimeout(expire, deadlines.idleMs, deadlines.idleMs);
    this.#total = setTimeout(expire, deadlines.totalMs, deadlines.totalMs);
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
