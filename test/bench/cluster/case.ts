import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '../client.ts';
import { machineCpu, processesCpu, redisCpu } from './cpu.ts';
import type { RunningGateways } from './gateways.ts';

/** `sticky`: all requests of a session go to one node; `round-robin`: each goes to the next. */
export type Way = 'sticky' | 'round-robin';

/** What was used in a turn, in milliseconds, and how long its calls took. */
export interface Turn {
  readonly elapsed: number;
  /** Of the nodes that were called; undefined where it cannot be told, as below. */
  readonly nodesMs: number | undefined;
  readonly redisMs: number;
  readonly others: number | undefined;
  readonly latencies: readonly number[];
}

/** A number of nodes and a way, with sessions of its own. */
export class Case {
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
    { sessions, payloadBytes }: { readonly sessions: number; readonly payloadBytes: number },
  ): Promise<Case> {
    const urls = running.gateways.slice(0, count).map(({ mcpUrl }) => new URL(mcpUrl));
    const clients = Array.from({ length: sessions }, (_, index) => {
      // Whoever goes round begins at another node than the one before: all nodes have as much to do from the start.
      const inTurn = urls.map((_, step) => urls[(index + step) % count]!);
      return Client.open(way === 'sticky' ? inTurn.slice(0, 1) : inTurn, 'echo', payloadBytes);
    });
    return new Case(running, count, way, await Promise.all(clients));
  }

  /** Each client calls, one call after the other. */
  atFullLoad(ms: number): Promise<Turn> {
    return this.#measure(async (call) => {
      const until = performance.now() + ms;
      const run = async (client: Client) => {
        while (performance.now() < until) await call(client);
      };
      await Promise.all(this.#clients.map(run));
    });
  }

  /** So many calls a second, as far as clients are free; each by the client that has waited longest. */
  steadily(rate: number, ms: number): Promise<Turn> {
    return this.#measure(async (call) => {
      const begun = performance.now();
      const free = [...this.#clients];
      const running: Promise<unknown>[] = [];
      for (let elapsed = 0; elapsed < ms; elapsed = performance.now() - begun) {
        const due = (elapsed * rate) / 1000;
        while (running.length < due && free.length > 0) {
          const client = free.shift()!;
          running.push(call(client).then(() => free.push(client)));
        }
        await delay(1);
      }
      await Promise.all(running);
    });
  }

  /** Ends the sessions. */
  async end(): Promise<void> {
    await Promise.all(this.#clients.map((client) => client.end()));
  }

  close(): void {
    for (const client of this.#clients) client.close();
  }

  /** What is counted begins and ends without a call under way. */
  async #measure(action: (call: (client: Client) => Promise<void>) => Promise<void>): Promise<Turn> {
    const before = await this.#usage();
    const latencies: number[] = [];
    await action(async (client) => {
      const sentAt = performance.now();
      const error = await client.call();
      if (error !== undefined) throw new Error(`A call failed: ${error}`);
      latencies.push(performance.now() - sentAt);
    });
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
export function minus(
  from: number | undefined,
  ...parts: readonly (number | undefined)[]
): number | undefined {
  return parts.reduce(
    (rest, part) => (rest === undefined || part === undefined ? undefined : rest - part),
    from,
  );
}
