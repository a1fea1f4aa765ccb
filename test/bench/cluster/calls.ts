import { Client } from '../client.ts';
import type { Tools } from '../tools.ts';
import { machineCpu, processesCpu, redisCpu } from './cpu.ts';
import { type RunningGateways, startGateways } from './gateways.ts';
import { type Latency, latencyOf } from './statistics.ts';

export interface TurnsOptions {
  readonly tools: Tools;
  /** At most so many nodes are given calls. */
  readonly nodes: number;
  readonly rounds: number;
  /** How often, within a round, each number of nodes and way has its turn. */
  readonly turns: number;
  readonly turnMs: number;
  /** Clients at a time, with a session and a call under way each. */
  readonly sessions: number;
  readonly payloadBytes: number;
  readonly log: (line: string) => void;
}

/** `sticky`: all requests of a session go to one node; `round-robin`: each goes to the next. */
export type Way = 'sticky' | 'round-robin';

export interface TurnsSample extends Latency {
  readonly nodes: number;
  readonly way: Way;
  readonly callsPerSecond: number;
  /** CPU milliseconds for one call, of these nodes and of Redis; undefined where it cannot be told. */
  readonly cpuMs: number | undefined;
  /** What Redis has of it. */
  readonly redisMs: number;
}

export interface TurnsRound {
  readonly samples: readonly TurnsSample[];
  /** Share of a core that anything else on the machine took, where that can be told. */
  readonly otherCpu: number | undefined;
}

/** At first, to have the code compiled: so much longer than a turn. */
const WARM_UP = 4;

/**
 * Calls at 1 to `nodes` gateways of one cluster, both ways. The ways have short turns, one after the other and again, so
 * whatever disturbs the machine meets all of them; each has sessions of its own. Throws when a single call fails.
 */
export async function measureTurns(options: TurnsOptions): Promise<TurnsRound[]> {
  const { tools, nodes, rounds, log } = options;
  const running = await startGateways(nodes, tools);
  const cases: Case[] = [];
  try {
    for (const { count, way } of casesOf(nodes)) cases.push(await Case.open(running, count, way, options));
    for (const each of cases) await each.turn(options.turnMs * WARM_UP);
    const done: TurnsRound[] = [];
    for (let number = 1; number <= rounds; number++) {
      const measured = await round(cases, options);
      done.push(measured);
      const rates = measured.samples.map(({ nodes: count, way, callsPerSecond }) => {
        return `${count} ${way} ${Math.round(callsPerSecond)}`;
      });
      log(`calls a second, round ${number}: ${rates.join('; ')}`);
    }
    for (const each of cases) await each.end();
    return done;
  } finally {
    for (const each of cases) each.close();
    await running.stop();
  }
}

/** One node is one way. */
function casesOf(nodes: number): { count: number; way: Way }[] {
  return Array.from({ length: nodes }, (_, index) => index + 1).flatMap((count) =>
    count === 1
      ? [{ count, way: 'sticky' }]
      : [
          { count, way: 'sticky' },
          { count, way: 'round-robin' },
        ],
  );
}

async function round(cases: readonly Case[], { turns, turnMs }: TurnsOptions): Promise<TurnsRound> {
  const results: Turn[][] = cases.map(() => []);
  for (let turn = 0; turn < turns; turn++) {
    for (let next = 0; next < cases.length; next++) {
      // Another one is the first each time: none gains by what comes before it.
      const place = (turn + next) % cases.length;
      results[place]!.push(await cases[place]!.turn(turnMs));
    }
  }
  const all = results.flat();
  const others = sum(all, ({ others: ms }) => ms);
  return {
    samples: cases.map(({ count, way }, place) => {
      const own = results[place]!;
      const latencies = own.flatMap((turn) => turn.latencies);
      const nodesMs = sum(own, (turn) => turn.nodesMs);
      const redisMs = sum(own, (turn) => turn.redisMs) ?? 0;
      return {
        ...latencyOf(latencies),
        nodes: count,
        way,
        callsPerSecond: latencies.length / ((sum(own, ({ elapsed }) => elapsed) ?? 0) / 1000),
        cpuMs: nodesMs === undefined ? undefined : (nodesMs + redisMs) / latencies.length,
        redisMs: redisMs / latencies.length,
      };
    }),
    otherCpu: others === undefined ? undefined : others / (sum(all, ({ elapsed }) => elapsed) ?? 0),
  };
}

/** What was used in a turn, in milliseconds, and how long its calls took. */
interface Turn {
  readonly elapsed: number;
  readonly nodesMs: number | undefined;
  readonly redisMs: number;
  readonly others: number | undefined;
  readonly latencies: readonly number[];
}

/** A number of nodes and a way, with sessions of their own. */
class Case {
  readonly count: number;
  readonly way: Way;
  readonly #running: RunningGateways;
  readonly #clients: readonly Client[];

  private constructor(running: RunningGateways, count: number, way: Way, clients: readonly Client[]) {
    this.count = count;
    this.way = way;
    this.#running = running;
    this.#clients = clients;
  }

  static async open(
    running: RunningGateways,
    count: number,
    way: Way,
    { sessions, payloadBytes }: TurnsOptions,
  ): Promise<Case> {
    const urls = running.gateways.slice(0, count).map(({ mcpUrl }) => new URL(mcpUrl));
    const clients = Array.from({ length: sessions }, (_, index) => {
      // Whoever goes round begins at another node than the one before: all nodes have as much to do from the start.
      const inTurn = urls.map((_, step) => urls[(index + step) % count]!);
      return Client.open(way === 'sticky' ? inTurn.slice(0, 1) : inTurn, 'echo', payloadBytes);
    });
    return new Case(running, count, way, await Promise.all(clients));
  }

  /** Each client calls, one call after the other. What is counted begins and ends without a call under way. */
  async turn(ms: number): Promise<Turn> {
    const before = await this.#usage();
    const until = before.at + ms;
    const latencies: number[] = [];
    const call = async (client: Client) => {
      for (let now = performance.now(); now < until; ) {
        const error = await client.call();
        if (error !== undefined) throw new Error(`A call failed: ${error}`);
        const done = performance.now();
        latencies.push(done - now);
        now = done;
      }
    };
    await Promise.all(this.#clients.map(call));
    const after = await this.#usage();
    const redisMs = after.redis - before.redis;
    return {
      latencies,
      redisMs,
      elapsed: after.at - before.at,
      nodesMs: minus(after.nodes, before.nodes),
      others: minus(minus(after.machine, before.machine), minus(after.own, before.own), redisMs),
    };
  }

  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  async #usage() {
    const { gateways, redis, downstreamPid } = this.#running;
    const pids = gateways.map((gateway) => gateway.process.pid!);
    return {
      redis: await redisCpu(redis),
      at: performance.now(),
      nodes: processesCpu(pids.slice(0, this.count)),
      own: processesCpu([...pids, downstreamPid, process.pid]),
      machine: machineCpu(),
    };
  }
}

/** Undefined where a part is. */
function minus(from: number | undefined, ...parts: readonly (number | undefined)[]): number | undefined {
  return parts.reduce(
    (rest, part) => (rest === undefined || part === undefined ? undefined : rest - part),
    from,
  );
}

function sum(turns: readonly Turn[], of: (turn: Turn) => number | undefined): number | undefined {
  return minus(0, minus(0, ...turns.map(of)));
}
