import type { Owner } from '../auth/principal.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { Backoff } from './backoff.ts';
import { usesIn } from './server-id.ts';

/** However often a server fails, it is tried about once a minute. */
const LONGEST_PAUSE_MS = 60_000;

export interface BreakerOptions {
  /** So many failures in a row, with no answer between them, and a server is left alone for a while. */
  readonly failures: number;
  /** The first pause in milliseconds, about; each trial that fails makes the next one longer, up to a minute. */
  readonly pauseMs: number;
  /** Calls that one server may have under way. */
  readonly maxInFlight: number;
  /** A server is left alone, and why; or is well again. */
  readonly onChange?: (server: BreakerServer, reason: string | undefined) => void;
}

/** Of whose calls there is a breaker. */
export interface BreakerServer {
  readonly id: string;
  readonly name: string;
  readonly owner?: Owner;
}

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
 * opens it for longer. It also bounds how many calls are under way: one that is refused for that says nothing about the
 * server.
 */
export class Breaker {
  readonly serverName: string;
  readonly #threshold: number;
  readonly #now: () => number;
  readonly #backoff: Backoff;
  #failures = 0;
  #openUntil = 0;
  #trying = false;
  #lastReason = '';
  readonly #maxInFlight: number;
  #inFlight = 0;
  #full = 0;
  readonly #changed: (reason: string | undefined) => void;

  constructor(
    serverName: string,
    { failures, pauseMs, maxInFlight }: BreakerOptions,
    now: () => number = Date.now,
    changed: (reason: string | undefined) => void = () => undefined,
  ) {
    this.#changed = changed;
    this.serverName = serverName;
    this.#threshold = failures;
    this.#maxInFlight = maxInFlight;
    this.#backoff = new Backoff(pauseMs, Math.max(pauseMs, LONGEST_PAUSE_MS));
    this.#now = now;
  }

  get state(): BreakerState {
    if (this.#openUntil === 0) return 'closed';
    return this.#now() < this.#openUntil ? 'open' : 'half-open';
  }

  /** Calls that were let through and are not reported yet. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** Calls that were refused because there were too many under way. */
  get full(): number {
    return this.#full;
  }

  /**
   * Why a call may not go through now; undefined where it may. Whoever gets undefined has to report what came of it, once,
   * to this breaker.
   */
  refusal(): GatewayError | undefined {
    const refusal = this.#refusal();
    if (refusal === undefined) this.#inFlight++;
    return refusal;
  }

  #refusal(): GatewayError | undefined {
    if (this.#inFlight >= this.#maxInFlight) {
      this.#full++;
      return serverFull(this.serverName);
    }
    const state = this.state;
    if (state === 'closed') return undefined;
    if (state === 'half-open' && !this.#trying) {
      this.#trying = true;
      return undefined;
    }
    const seconds = Math.max(1, Math.ceil((this.#openUntil - this.#now()) / 1000));
    return new GatewayError(
      Code.DownstreamUnavailable,
      `Server "${this.serverName}" is left alone for ${seconds} s after ${this.#failures} failures in a row; the last: ${this.#lastReason}`,
      { retryAfter: seconds },
    );
  }

  succeeded(): void {
    this.#inFlight--;
    this.#trying = false;
    if (this.#failures === 0) return;
    this.#failures = 0;
    if (this.#openUntil !== 0) this.#changed(undefined);
    this.#openUntil = 0;
    this.#backoff.reset();
  }

  /** A failure that is the caller's own doing, a cancellation for one, only ends a trial without an outcome. */
  failed(error: GatewayError): void {
    this.#inFlight--;
    this.#trying = false;
    if (!COUNTED.has(error.code)) return;
    this.#failures++;
    this.#lastReason = error.message;
    if (this.#failures < this.#threshold) return;
    if (this.#openUntil === 0) this.#changed(error.message);
    this.#openUntil = this.#now() + this.#backoff.next();
  }
}

function serverFull(name: string): GatewayError {
  const message = `Server "${name}" has as many calls under way as it may have; try again later`;
  return new GatewayError(Code.Overloaded, message, {
    retryAfter: 1,
    data: { reason: Code.Overloaded, retryAfter: 1 },
  });
}

/** One breaker for each server. */
export class Breakers {
  readonly #options: BreakerOptions;
  readonly #breakers = new Map<string, Breaker>();
  /** Of servers that are gone. */
  #fullBefore = 0;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  of(server: BreakerServer): Breaker {
    const known = this.#breakers.get(server.id);
    if (known !== undefined) return known;
    const { onChange } = this.#options;
    const breaker = new Breaker(server.name, this.#options, Date.now, (reason) => onChange?.(server, reason));
    this.#breakers.set(server.id, breaker);
    return breaker;
  }

  /** As far as it is known; a server that was never called is closed. */
  state(serverId: string): BreakerState {
    return this.#breakers.get(serverId)?.state ?? 'closed';
  }

  /** Every server that was called, as its breaker is now. */
  *states(): Iterable<{ readonly server: string; readonly state: BreakerState }> {
    for (const { serverName, state } of this.#breakers.values()) yield { server: serverName, state };
  }

  /** Calls that were refused because their servers had too many under way. */
  get full(): number {
    let count = this.#fullBefore;
    for (const breaker of this.#breakers.values()) count += breaker.full;
    return count;
  }

  /** The server has changed or gone: what was learnt of it no longer counts. */
  drop(serverId: string): void {
    for (const id of usesIn(this.#breakers, serverId)) {
      this.#fullBefore += this.#breakers.get(id)?.full ?? 0;
      this.#breakers.delete(id);
    }
  }
}
