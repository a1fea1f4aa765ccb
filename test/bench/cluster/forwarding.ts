import { setTimeout as delay } from 'node:timers/promises';
import { type SimulatedCluster, SimulatedClusters } from './clusters.ts';
import { machineCpu, processesCpu, redisCpu } from './cpu.ts';
import { quietRounds } from './rounds.ts';
import { type Latency, latencyOf } from './statistics.ts';

export interface ForwardingOptions {
  /** Nodes of each cluster, at least two. */
  readonly sizes: readonly number[];
  readonly rounds: number;
  /** Made in addition where some are disturbed. */
  readonly extraRounds: number;
  /** How often, within a round, each cluster has its turn. */
  readonly turns: number;
  /** Of a turn with messages, of one with events, and of a pause. */
  readonly turnMs: number;
  /** Messages that are asked and answered a second, and events a second. */
  readonly rate: number;
  readonly log: (line: string) => void;
}

/** What one message cost beyond the heartbeats. */
export interface MessageCost extends Latency {
  /** Microseconds. */
  readonly redisCpu: number;
  /** Microseconds, of sender and receiver together. */
  readonly nodesCpu: number;
}

interface ForwardingSample {
  readonly size: number;
  /** A message from node to node; its latency is that of question and answer. */
  readonly message: MessageCost;
  /** An event of a session, from the node that logs it to the client's connection at the other. */
  readonly event: MessageCost;
  /** CPU milliseconds of Redis a second while nothing is said. */
  readonly heartbeatsCpu: number;
}

export interface ForwardingRound {
  readonly samples: readonly ForwardingSample[];
  /** Share of a core that anything else on the machine took, where that can be told. */
  readonly otherCpu: number | undefined;
}

/** At first, to have the code compiled: so many messages and events, so many times faster. */
const WARM_UP = { count: 5000, faster: 5 };

/**
 * Messages between two nodes of each cluster. The clusters have short turns, one after the other and again, so whatever
 * disturbs the machine meets all of them; and all of them are there all the time, with their heartbeats. Throws when a
 * message is lost.
 */
export async function measureForwarding(options: ForwardingOptions): Promise<ForwardingRound[]> {
  const { sizes, rounds, extraRounds, log } = options;
  const running = await SimulatedClusters.start(sizes);
  try {
    const bench = new Bench(running, options);
    await bench.warmUp();
    const done = await quietRounds(rounds, extraRounds, async (number) => {
      const round = await bench.round();
      const costs = round.samples.map(({ size, message, event }) => {
        return `${size} nodes: ${total(message)} µs of CPU a message, ${total(event)} an event`;
      });
      log(`forwarding, round ${number}: ${costs.join('; ')}`);
      return round;
    });
    await running.close();
    return done;
  } finally {
    await running.stop();
  }
}

const total = ({ redisCpu: redis, nodesCpu }: MessageCost) => Math.round(redis + nodesCpu);

/** What was used meanwhile, in milliseconds, and what was seen. */
interface Turn {
  readonly elapsed: number;
  /** Of each cluster's Redis. */
  readonly redis: readonly number[];
  readonly pairs: number;
  readonly others: number | undefined;
  readonly latencies: readonly number[];
}

class Bench {
  readonly #running: SimulatedClusters;
  readonly #options: ForwardingOptions;

  constructor(running: SimulatedClusters, options: ForwardingOptions) {
    this.#running = running;
    this.#options = options;
  }

  async warmUp(): Promise<void> {
    const { rate, rounds, turns, turnMs } = this.#options;
    // No more than is measured afterwards, where that is little.
    const count = Math.min(WARM_UP.count, Math.round((rate * rounds * turns * turnMs) / 1000));
    const flow = { rate: rate * WARM_UP.faster, count };
    for (const cluster of this.#running.clusters) {
      await this.#ask(cluster, flow);
      await this.#say(cluster, flow);
    }
  }

  async round(): Promise<ForwardingRound> {
    const { turns, turnMs, rate } = this.#options;
    const flow = { rate, count: Math.round((rate * turnMs) / 1000) };
    const { clusters } = this.#running;
    const pauses: Turn[] = [];
    const messages: Turn[][] = clusters.map(() => []);
    const events: Turn[][] = clusters.map(() => []);
    for (let turn = 0; turn < turns; turn++) {
      pauses.push(await this.#turn(() => delay(turnMs, [])));
      for (let next = 0; next < clusters.length; next++) {
        // Another one is the first each time: none gains by what comes before it.
        const place = (turn + next) % clusters.length;
        const cluster = clusters[place]!;
        messages[place]!.push(await this.#turn(() => this.#ask(cluster, flow)));
        events[place]!.push(await this.#turn(() => this.#say(cluster, flow)));
      }
    }
    const idle = sumOf(pauses);
    const costOf = (done: readonly Turn[], place: number, messagesEach: number): MessageCost => {
      const busy = sumOf(done);
      const latencies = done.flatMap((turn) => turn.latencies);
      const share = busy.elapsed / idle.elapsed;
      const each = (used: number, unused: number) =>
        ((used - unused * share) * 1000) / (latencies.length * messagesEach);
      return {
        ...latencyOf(latencies),
        redisCpu: each(busy.redis[place]!, idle.redis[place]!),
        nodesCpu: each(busy.pairs, idle.pairs),
      };
    };
    const all = sumOf([...pauses, ...messages.flat(), ...events.flat()]);
    return {
      samples: clusters.map(({ size }, place) => ({
        size,
        message: costOf(messages[place]!, place, 2),
        event: costOf(events[place]!, place, 1),
        heartbeatsCpu: (idle.redis[place]! * 1000) / idle.elapsed,
      })),
      otherCpu: all.others === undefined ? undefined : all.others / all.elapsed,
    };
  }

  #ask({ sender, receiver }: SimulatedCluster, flow: { rate: number; count: number }): Promise<number[]> {
    return this.#running.sender.call('ask', { node: sender, to: receiver, ...flow });
  }

  async #say(
    { sender, session }: SimulatedCluster,
    flow: { rate: number; count: number },
  ): Promise<number[]> {
    await this.#running.sender.call('say', { node: sender, session, ...flow });
    return await this.#running.receiver.call('heard', { count: flow.count });
  }

  async #turn(action: () => Promise<readonly number[]>): Promise<Turn> {
    const before = await this.#usage();
    const latencies = await action();
    const after = await this.#usage();
    const redis = after.redis.map((ms, place) => ms - before.redis[place]!);
    const own = redis.reduce((sum, ms) => sum + ms, after.nodes - before.nodes + after.self - before.self);
    const { machine } = before;
    return {
      latencies,
      redis,
      elapsed: after.at - before.at,
      pairs: after.pairs - before.pairs,
      others:
        machine === undefined || after.machine === undefined ? undefined : after.machine - machine - own,
    };
  }

  async #usage() {
    const { pairs, crowds } = await this.#running.cpu();
    return {
      at: performance.now(),
      redis: await Promise.all(this.#running.clusters.map(({ redis }) => redisCpu(redis))),
      pairs,
      nodes: pairs + crowds,
      self: processesCpu([process.pid]) ?? 0,
      machine: machineCpu(),
    };
  }
}

function sumOf(turns: readonly Turn[]): Omit<Turn, 'latencies'> {
  return turns.reduce((sum, turn) => ({
    latencies: [],
    elapsed: sum.elapsed + turn.elapsed,
    redis: sum.redis.map((ms, place) => ms + turn.redis[place]!),
    pairs: sum.pairs + turn.pairs,
    others: sum.others === undefined || turn.others === undefined ? undefined : sum.others + turn.others,
  }));
}
