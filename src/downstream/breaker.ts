import { Code, GatewayError } from '../protocol/errors.ts';
import { Backoff } from './backoff.ts';

/** So many failures in a row, with no answer between them, and a server is left alone for a while. */
const THRESHOLD = 5;

const FIRST_PAUSE_MS = 2000;
const LONGEST_PAUSE_MS = 60_000;

export type BreakerState = 'closed' | 'open' | 'half-open';

/** Failures that say something about the server, and not about the call. */
const COUNTED: ReadonlySet<Code> = new Set([
  Code.DownstreamUnavailable,
  Code.DownstreamProtocol,
  Code.DownstreamTimeout,
  Code.DownstreamSessionLost,
]);

/**
 * A circuit breaker for one server. Closed: calls go through. Open: they are refused at once, so nobody waits for a
 * server that does not answer. Half-open: one call is let through to see; its answer closes the breaker, its failure
 * opens it for longer.
 */
export class Breaker {
  readonly #serverName: string;
  readonly #now: () => number;
  readonly #backoff = new Backoff(FIRST_PAUSE_MS, LONGEST_PAUSE_MS);
  #failures = 0;
  #openUntil = 0;
  #trying = false;
  #lastReason = '';

  constructor(serverName: string, now: () => number = Date.now) {
    this.#serverName = serverName;
    this.#now = now;
  }

  get state(): BreakerState {
    if (this.#openUntil === 0) return 'closed';
    return this.#now() < this.#openUntil ? 'open' : 'half-open';
  }

  /** Why a call may not go through now; undefined where it may. Whoever gets undefined has to report what came of it. */
  refusal(): GatewayError | undefined {
    const state = this.state;
    if (state === 'closed') return undefined;
    if (state === 'half-open' && !this.#trying) {
      this.#trying = true;
      return undefined;
    }
    const seconds = Math.max(1, Math.ceil((this.#openUntil - this.#now()) / 1000));
    return new GatewayError(
      Code.DownstreamUnavailable,
      `Server "${this.#serverName}" is left alone for ${seconds} s after ${this.#failures} failures in a row; the last: ${this.#lastReason}`,
      { retryAfter: seconds },
    );
  }

  succeeded(): void {
    this.#trying = false;
    if (this.#failures === 0) return;
    this.#failures = 0;
    this.#openUntil = 0;
    this.#backoff.reset();
  }

  /** A failure that is the caller's own doing, a cancellation for one, only ends a trial without an outcome. */
  failed(error: GatewayError): void {
    this.#trying = false;
    if (!COUNTED.has(error.code)) return;
    this.#failures++;
    this.#lastReason = error.message;
    if (this.#failures >= THRESHOLD) this.#openUntil = this.#now() + this.#backoff.next();
  }
}

/** One breaker for each server. */
export class Breakers {
  readonly #breakers = new Map<string, Breaker>();

  of(server: { readonly id: string; readonly name: string }): Breaker {
    const known = this.#breakers.get(server.id);
    if (known !== undefined) return known;
    const breaker = new Breaker(server.name);
    this.#breakers.set(server.id, breaker);
    return breaker;
  }

  /** As far as it is known; a server that was never called is closed. */
  state(serverId: string): BreakerState {
    return this.#breakers.get(serverId)?.state ?? 'closed';
  }

  /** Servers whose breaker is not closed now. */
  get notClosed(): number {
    let count = 0;
    for (const breaker of this.#breakers.values()) if (breaker.state !== 'closed') count++;
    return count;
  }

  /** The server has changed or gone: what was learnt of it no longer counts. */
  drop(serverId: string): void {
    this.#breakers.delete(serverId);
  }
}
