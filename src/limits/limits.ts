import type { Principal } from '../auth/principal.ts';
import type { Allowances } from '../coordination/allowances.ts';
import type { Bus } from '../coordination/bus.ts';
import { concerns, isOneOf } from '../policy/selectors.ts';
import type { Logger } from '../telemetry/types.ts';
import type { Bucket } from './bucket.ts';
import { Buckets } from './buckets.ts';
import type { Limited } from './limited.ts';
import { ASK } from './part.ts';
import { digest, type Limit, type LimitSettings, limitsOf } from './rules.ts';
import { SharedStore } from './shared-store.ts';

const TICK_MS = 250;
const SWEEP_TICKS = 40;

/** A call asks so often at most for what others may take from under its nose. */
const ROUNDS = 8;

/** Of one principal: servers and tools beyond that are found anew. */
const MAX_ROUTES = 10_000;

const WANTED = 'limits.wanted';

export interface LimitsOptions {
  readonly settings: LimitSettings;
  readonly nodeId: string;
  readonly allowances: Allowances;
  readonly bus: Bus;
  /** Others count for the same. Without, nothing is asked of anybody. */
  readonly hasPeers: boolean;
  readonly logger: Logger;
  readonly now?: () => number;
  readonly maxBuckets?: number;
}

/** What a call takes of. */
export interface Taken {
  /** The call is over. Once. */
  leave(): void;
  /** In place of `leave`: it never went. */
  undo(): void;
}

/** Lets calls in as far as rules allow. Where this node has what it takes, that is looked up and counted, and no more. */
export class Limits {
  readonly #limits: readonly Limit[];
  readonly #buckets: Buckets;
  readonly #shared: SharedStore | undefined;
  readonly #now: () => number;
  /** By whoever makes requests: authentication gives the same object for the same credential. */
  readonly #known = new WeakMap<Principal, OwnLimits>();
  readonly #timer: NodeJS.Timeout;
  readonly #unsubscribe: () => void;
  #ticks = 0;

  constructor(options: LimitsOptions) {
    const { settings, nodeId, allowances, bus, hasPeers, logger, maxBuckets } = options;
    const now = options.now ?? (() => performance.now());
    const want = (id: string) => {
      bus.broadcast({ kind: WANTED, id }).catch(() => {
        // It is away. Others give back what they do not use without being told.
      });
    };
    this.#now = now;
    this.#limits = limitsOf(settings);
    this.#shared = hasPeers ? new SharedStore({ nodeId, allowances, want, logger, now }) : undefined;
    this.#buckets = new Buckets({
      shared: this.#shared,
      now,
      ...(maxBuckets === undefined ? {} : { maxBuckets }),
    });
    this.#unsubscribe = bus.on(WANTED, ({ id }) => {
      if (typeof id === 'string') this.#buckets.wanted(id);
    });
    this.#timer = setInterval(() => this.tick(), TICK_MS).unref();
  }

  /** How many buckets are known. */
  get buckets(): number {
    return this.#buckets.size;
  }

  /**
   * Lets a call of a tool of this server in, or of something else there, or says why not. A promise where others have to be
   * asked first; it does not reject.
   */
  enter(
    principal: Principal,
    server: string,
    tool: string | undefined,
  ): Taken | Limited | Promise<Taken | Limited> {
    return this.#enter(this.#ownOf(principal).route(server, tool));
  }

  /** The same for what may go to any of these servers, and counts once. */
  enterAny(principal: Principal, servers: readonly string[]): Taken | Limited | Promise<Taken | Limited> {
    const own = this.#ownOf(principal);
    const buckets = servers.flatMap((server) => own.route(server, undefined).buckets);
    return this.#enter(new RouteLimits([...new Set(buckets)], this.#now));
  }

  /** Gives back what is not used, and forgets what nobody uses. By a timer; for tests. */
  tick(): void {
    const now = this.#now();
    this.#shared?.probe(now);
    this.#buckets.tick(now);
    if (++this.#ticks % SWEEP_TICKS === 0) this.#buckets.sweep(now);
  }

  /** Gives back everything: this node lets nothing in afterwards. */
  async close(): Promise<void> {
    clearInterval(this.#timer);
    this.#unsubscribe();
    await this.#buckets.close();
  }

  #ownOf(principal: Principal): OwnLimits {
    let own = this.#known.get(principal);
    if (own === undefined) {
      const limits = this.#limits.filter((limit) => concerns(limit, principal));
      own = new OwnLimits(principal, limits, this.#buckets, this.#now);
      this.#known.set(principal, own);
    }
    return own;
  }

  #enter(route: RouteLimits): Taken | Limited | Promise<Taken | Limited> {
    return this.#try(route) ?? this.#wait(route);
  }

  /** All or nothing. Undefined: somebody has to be asked. */
  #try(route: RouteLimits): Taken | Limited | undefined {
    const { buckets } = route;
    if (buckets.length === 0) return route;
    const now = this.#now();
    let longest = 0;
    let full: Bucket | undefined;
    let isUnknown = false;
    for (const bucket of buckets) {
      const wait = bucket.look(now);
      if (wait === ASK) isUnknown = true;
      else if (wait > longest) {
        longest = wait;
        full = bucket;
      }
    }
    if (full !== undefined) return full.refusal(longest);
    if (isUnknown) return undefined;
    for (const bucket of buckets) {
      bucket.take(now);
      this.#buckets.use(bucket);
    }
    return route;
  }

  async #wait(route: RouteLimits): Promise<Taken | Limited> {
    for (const bucket of route.buckets) bucket.expect(1);
    try {
      for (let round = 0; round < ROUNDS; round++) {
        const now = this.#now();
        const asked = route.buckets.filter((bucket) => bucket.look(now) === ASK);
        for (const bucket of asked) this.#buckets.use(bucket);
        await Promise.all(asked.map((bucket) => bucket.ask(now)));
        const found = this.#try(route);
        if (found !== undefined) return found;
      }
      const [first] = route.buckets;
      return first === undefined ? route : first.refusal(0);
    } finally {
      for (const bucket of route.buckets) bucket.expect(-1);
    }
  }
}

/** What is to be counted for calls of one kind. Made once and used for each: calls hold nothing of their own. */
class RouteLimits implements Taken {
  readonly buckets: readonly Bucket[];
  readonly #now: () => number;

  constructor(buckets: readonly Bucket[], now: () => number) {
    this.buckets = buckets;
    this.#now = now;
  }

  get isCurrent(): boolean {
    for (const bucket of this.buckets) if (bucket.isDropped) return false;
    return true;
  }

  leave(): void {
    for (const bucket of this.buckets) bucket.leave();
  }

  undo(): void {
    const now = this.#now();
    for (const bucket of this.buckets) bucket.undo(now);
  }
}

/** The rules that concern one principal, by server and tool. */
class OwnLimits {
  readonly #principal: Principal;
  readonly #limits: readonly Limit[];
  readonly #buckets: Buckets;
  readonly #now: () => number;
  readonly #servers = new Map<string, Map<string | undefined, RouteLimits>>();
  #size = 0;

  constructor(principal: Principal, limits: readonly Limit[], buckets: Buckets, now: () => number) {
    this.#principal = principal;
    this.#limits = limits;
    this.#buckets = buckets;
    this.#now = now;
  }

  route(server: string, tool: string | undefined): RouteLimits {
    let tools = this.#servers.get(server);
    const known = tools?.get(tool);
    if (known?.isCurrent === true) return known;
    if (known === undefined && ++this.#size > MAX_ROUTES) {
      this.#servers.clear();
      this.#size = 1;
      tools = undefined;
    }
    if (tools === undefined) {
      tools = new Map();
      this.#servers.set(server, tools);
    }
    const buckets = this.#limits
      .filter((limit) => isOf(limit, server, tool))
      .map((limit) => this.#buckets.of(this.#bucketId(limit, server, tool), limit));
    const route = new RouteLimits(buckets, this.#now);
    tools.set(tool, route);
    return route;
  }

  #bucketId({ id, per }: Limit, server: string, tool: string | undefined): string {
    const { tenantId, userId } = this.#principal;
    switch (per) {
      case 'user':
        return digest([id, tenantId, userId]);
      case 'tenant':
        return digest([id, tenantId]);
      case 'server':
        return digest([id, tenantId, server]);
      case 'tool':
        return digest([id, tenantId, userId, server, tool]);
      case 'everybody':
        return digest([id]);
    }
  }
}

function isOf({ servers, tools, per }: Limit, server: string, tool: string | undefined): boolean {
  if (tool === undefined) return tools === undefined && per !== 'tool' && isOneOf(servers, server);
  return isOneOf(servers, server) && isOneOf(tools, tool);
}
