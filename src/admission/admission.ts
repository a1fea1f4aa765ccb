import type { Owner } from '../auth/principal.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { Governor, type GovernorOptions } from './governor.ts';
import { PrincipalLoad } from './load.ts';
import { REASONS, type Reason, refusalError } from './refusal.ts';
import { Refusals } from './refusals.ts';

export interface AdmissionOptions extends GovernorOptions {
  /** Requests under way at a time: in all, and of one principal. */
  readonly maxInFlight: number;
  readonly maxInFlightOfOne: number;
  /** Streams of one principal that are open without a request. */
  readonly maxStreamsOfOne: number;
}

/** From here on everybody is held to an equal share. */
const NEARLY_FULL = 0.75;

/** Of each limit, for what ends something or what others depend on. */
const RESERVE = 0.1;

/** Of refusals: a twentieth of what a node can do, and nobody waits for longer than clients do for an answer. */
const PACE = { perSecond: 1000, burst: 100, longestMs: 5000 };

/** A mask: every so many requests it is looked whether the event loop turns. */
const LOOK_EVERY = 63;

/** So often principals are forgotten that hold nothing. */
const SWEEP_MS = 10_000;

/** They end something, or cost no more than to be refused. */
const VITAL: ReadonlySet<string> = new Set([
  'initialize',
  'ping',
  'server/discover',
  'tasks/cancel',
  'resources/unsubscribe',
]);

/**
 * Decides which requests this node takes on. What is let in is counted until it is over; what is not gets an error that says
 * when to come back. Entering and leaving are additions: no promise, no timer, nothing made.
 */
export class Admission {
  /** Tells those who are refused. */
  readonly refusals: Refusals;
  readonly #options: AdmissionOptions;
  readonly #governor: Governor;
  readonly #tenants = new Map<string, Map<string, PrincipalLoad>>();
  readonly #refused = new Map<Reason, number>(REASONS.map((reason) => [reason, 0]));
  readonly #nearlyFull: number;
  #inFlight = 0;
  #taken = 0;
  /** Principals with requests under way. */
  #active = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    const governor = new Governor(options);
    this.refusals = new Refusals({ ...PACE, ...options, ease: () => governor.ease });
    this.#governor = governor;
    this.#nearlyFull = Math.floor(options.maxInFlight * NEARLY_FULL);
  }

  /** Requests under way. */
  get inFlight(): number {
    return this.#inFlight;
  }

  /** There is less time than is asked for. */
  get isShort(): boolean {
    return this.#governor.isShort;
  }

  /** How often something was refused, by why. */
  get refused(): ReadonlyMap<Reason, number> {
    return this.#refused;
  }

  /** How many principals are known. */
  get principals(): number {
    let count = 0;
    for (const users of this.#tenants.values()) count += users.size;
    return count;
  }

  /** Looks at the event loop from now on. */
  start(): void {
    this.#governor.start();
    this.#timer = setInterval(() => this.sweep(), SWEEP_MS).unref();
  }

  close(): void {
    this.#governor.close();
    this.refusals.flush();
    clearInterval(this.#timer);
  }

  /** See {@link Governor.sample}. */
  sample(turnMs: number): void {
    this.#governor.sample(turnMs);
  }

  /** What a principal has under way. */
  loadOf({ tenantId, userId }: Owner): PrincipalLoad {
    let users = this.#tenants.get(tenantId);
    if (users === undefined) {
      users = new Map();
      this.#tenants.set(tenantId, users);
    }
    let load = users.get(userId);
    if (load === undefined) {
      load = new PrincipalLoad();
      users.set(userId, load);
    }
    load.isIdle = false;
    return load;
  }

  /** Lets a request in, until {@link leave}, or says why not. */
  enter(load: PrincipalLoad, method: string): GatewayError | undefined {
    if (
      this.#inFlight >= this.#nearlyFull ||
      load.inFlight >= this.#options.maxInFlightOfOne ||
      this.#governor.isShort
    ) {
      const reason = this.#reason(load, VITAL.has(method));
      if (reason !== undefined) return this.refuse(reason);
    }
    this.take(load);
    return undefined;
  }

  /** Lets in what has been let in before, by a node that is gone. */
  take(load: PrincipalLoad): void {
    if ((++this.#taken & LOOK_EVERY) === 0) this.#governor.look();
    if (load.inFlight++ === 0) this.#active++;
    this.#inFlight++;
  }

  /** Once for each request that was let in, however it ended. */
  leave(load: PrincipalLoad): void {
    this.#inFlight--;
    if (--load.inFlight === 0) this.#active--;
  }

  /** The same for a stream that lasts for as long as its client likes. */
  openStream(load: PrincipalLoad): GatewayError | undefined {
    if (load.streams >= this.#options.maxStreamsOfOne) return this.refuse('streams_full');
    load.streams++;
    return undefined;
  }

  closeStream(load: PrincipalLoad): void {
    load.streams--;
  }

  /** Counts it and returns its error. */
  refuse(reason: Parameters<typeof refusalError>[0]): GatewayError {
    return refusalError(reason, this.count(reason));
  }

  /** Something that is refused elsewhere. */
  count(reason: Reason): number {
    const count = (this.#refused.get(reason) ?? 0) + 1;
    this.#refused.set(reason, count);
    return count;
  }

  /** Forgets principals that have held nothing since the last time. */
  sweep(): void {
    for (const [tenantId, users] of this.#tenants) {
      for (const [userId, load] of users) {
        if (load.isIdle && load.isUnused) users.delete(userId);
        else load.isIdle = true;
      }
      if (users.size === 0) this.#tenants.delete(tenantId);
    }
  }

  #reason(load: PrincipalLoad, isVital: boolean): Parameters<typeof refusalError>[0] | undefined {
    const { maxInFlight, maxInFlightOfOne } = this.#options;
    const reserve = isVital ? 1 + RESERVE : 1;
    if (load.inFlight >= Math.ceil(maxInFlightOfOne * reserve)) return 'principal_full';
    if (this.#inFlight >= Math.ceil(maxInFlight * reserve)) return 'node_full';
    if (!isVital && this.#inFlight >= this.#nearlyFull && load.inFlight >= this.#equalShare(load))
      return 'principal_share';
    return !isVital && this.#governor.isShort ? this.#governor.refuses(load) : undefined;
  }

  /** One alone may have everything. */
  #equalShare(load: PrincipalLoad): number {
    const sharers = this.#active + (load.inFlight === 0 ? 1 : 0);
    return sharers < 2 ? Number.POSITIVE_INFINITY : this.#options.maxInFlight / sharers;
  }
}
