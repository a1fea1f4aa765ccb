import { Case, minus, type Turn, type Way } from './case.ts';
import { type Downstream, startGateways } from './gateways.ts';
import { quietRounds } from './rounds.ts';
import { type Latency, latencyOf } from './statistics.ts';

export interface CallsOptions {
  readonly downstream: Downstream;
  /** At most so many nodes are given calls. */
  readonly nodes: number;
  readonly rounds: number;
  /** Made in addition where some are disturbed. */
  readonly extraRounds: number;
  /** Calls that each node is given at first, to have the code compiled. */
  readonly warmUpCalls: number;
  /** How often, within a round, each case has its turn at full load and its turn at a steady rate. */
  readonly turns: number;
  readonly turnMs: number;
  /** Calls a second at the steady rate. */
  readonly rate: number;
  /** Clients at a time, with a session and at most one call under way each. */
  readonly sessions: number;
  readonly payloadBytes: number;
  readonly log: (line: string) => void;
}

/** Calls of one kind of load. */
interface CallsCost extends Latency {
  readonly perSecond: number;
  /** CPU milliseconds for one call, of the nodes that were called and of Redis; undefined where it cannot be told. */
  readonly cpuMs: number | undefined;
  /** What Redis has of it. */
  readonly redisMs: number;
}

/** Kinds of load. At full load, what a node gets to do depends on how busy the others keep the cores. */
export const LOADS = ['steady', 'full'] as const;

interface CallsSample extends Readonly<Record<(typeof LOADS)[number], CallsCost>> {
  readonly nodes: number;
  readonly way: Way;
}

export interface CallsRound {
  readonly samples: readonly CallsSample[];
  /** Share of a core that anything else on the machine took, where that can be told. */
  readonly otherCpu: number | undefined;
}

/**
 * Calls at 1 to `nodes` gateways of one cluster, both ways. These cases have short turns, one after the other and again,
 * so whatever disturbs the machine meets all of them. Throws when a single call fails.
 */
export async function measureCalls(options: CallsOptions): Promise<CallsRound[]> {
  const { downstream, nodes, rounds, extraRounds, log } = options;
  const running = await startGateways(nodes, downstream);
  const cases: Case[] = [];
  try {
    for (const { count, way } of casesOf(nodes)) cases.push(await Case.open(running, count, way, options));
    await warmUp(cases, options);
    const done = await quietRounds(rounds, extraRounds, async (number) => {
      const round = await makeRound(cases, options);
      const rates = round.samples.map(({ nodes: count, way, full }) => {
        return `${count} ${way} ${Math.round(full.perSecond)}`;
      });
      log(`calls a second, round ${number}: ${rates.join('; ')}`);
      return round;
    });
    for (const each of cases) await each.end();
    return done;
  } finally {
    for (const each of cases) each.close();
    await running.stop();
  }
}

/** With one node, both ways are the same. */
function casesOf(nodes: number): { count: number; way: Way }[] {
  const ways = (count: number): Way[] => (count === 1 ? ['sticky'] : ['sticky', 'round-robin']);
  return Array.from({ length: nodes }, (_, index) => index + 1).flatMap((count) =>
    ways(count).map((way) => ({ count, way })),
  );
}

/** Milliseconds after which it has to do, however few calls a busy machine has made. */
const WARM_UP_MS = 15_000;

/** In the last case all nodes have as much to do. */
async function warmUp(cases: readonly Case[], { nodes, warmUpCalls, turnMs }: CallsOptions): Promise<void> {
  for (const each of cases) await each.atFullLoad(turnMs);
  const until = performance.now() + WARM_UP_MS;
  for (let calls = 0; calls < warmUpCalls * nodes && performance.now() < until; ) {
    calls += (await cases.at(-1)!.atFullLoad(turnMs)).latencies.length;
  }
}

async function makeRound(cases: readonly Case[], { turns, turnMs, rate }: CallsOptions): Promise<CallsRound> {
  const done = { steady: cases.map((): Turn[] => []), full: cases.map((): Turn[] => []) };
  for (let turn = 0; turn < turns; turn++) {
    for (let next = 0; next < cases.length; next++) {
      // Another one is the first each time: none gains by what comes before it.
      const place = (turn + next) % cases.length;
      done.steady[place]!.push(await cases[place]!.steadily(rate, turnMs));
      done.full[place]!.push(await cases[place]!.atFullLoad(turnMs));
    }
  }
  const all = [...done.steady, ...done.full].flat();
  const others = sum(all, (turn) => turn.others);
  return {
    samples: cases.map(({ count, way }, place) => ({
      nodes: count,
      way,
      steady: costOf(done.steady[place]!),
      full: costOf(done.full[place]!),
    })),
    otherCpu: others === undefined ? undefined : others / (sum(all, ({ elapsed }) => elapsed) ?? 0),
  };
}

function costOf(turns: readonly Turn[]): CallsCost {
  const latencies = turns.flatMap((turn) => turn.latencies);
  const nodesMs = sum(turns, (turn) => turn.nodesMs);
  const redisMs = sum(turns, (turn) => turn.redisMs) ?? 0;
  return {
    ...latencyOf(latencies),
    perSecond: latencies.length / ((sum(turns, ({ elapsed }) => elapsed) ?? 0) / 1000),
    cpuMs: nodesMs === undefined ? undefined : (nodesMs + redisMs) / latencies.length,
    redisMs: redisMs / latencies.length,
  };
}

function sum(turns: readonly Turn[], of: (turn: Turn) => number | undefined): number | undefined {
  return minus(0, minus(0, ...turns.map(of)));
}
