import { randomBytes } from 'node:crypto';
import { Redis } from 'ioredis';
import { startOwnRedis } from '../../support/redis.ts';
import { Worker } from './workers.ts';

/** Nodes of one size of cluster, of which two say things to each other, and a Redis that only they use. */
export interface SimulatedCluster {
  readonly size: number;
  readonly redis: Redis;
  readonly sender: string;
  readonly receiver: string;
  /** The receiver holds the connection of its client. */
  readonly session: string;
}

/** The processes of the nodes that say nothing, at most. */
const CROWDS = 2;

/**
 * Clusters of several sizes side by side. All senders are in one process and all receivers in another, so that what
 * they cost does not depend on what has been compiled there.
 */
export class SimulatedClusters {
  readonly clusters: SimulatedCluster[] = [];
  readonly sender = new Worker();
  readonly receiver = new Worker();
  readonly #crowds: readonly Worker[];
  readonly #stops: (() => unknown)[] = [];

  private constructor(sizes: readonly number[]) {
    const length = Math.min(CROWDS, Math.max(...sizes) - 2);
    this.#crowds = Array.from({ length }, () => new Worker());
  }

  static async start(sizes: readonly number[]): Promise<SimulatedClusters> {
    const started = new SimulatedClusters(sizes);
    try {
      for (const size of sizes) started.clusters.push(await started.#open(size));
      return started;
    } catch (error) {
      await started.stop();
      throw error;
    }
  }

  /** CPU milliseconds since their start, of senders and receivers, and of all others. */
  async cpu(): Promise<{ readonly pairs: number; readonly crowds: number }> {
    const [sender, receiver, ...crowds] = await Promise.all(
      this.#workers.map((worker) => worker.call('cpu')),
    );
    return { pairs: sender! + receiver!, crowds: crowds.reduce((sum, ms) => sum + ms, 0) };
  }

  /** Rejects where a node had lost its connection meanwhile. */
  async close(): Promise<void> {
    await Promise.all(this.#workers.map((worker) => worker.call('close')));
  }

  async stop(): Promise<void> {
    for (const worker of this.#workers) worker.stop();
    for (const stop of this.#stops.reverse()) await stop();
  }

  get #workers(): readonly Worker[] {
    return [this.sender, this.receiver, ...this.#crowds];
  }

  async #open(size: number): Promise<SimulatedCluster> {
    const { url, stop } = await startOwnRedis();
    this.#stops.push(stop);
    const redis = new Redis(url);
    this.#stops.push(() => redis.disconnect());
    const session = `session-${randomBytes(6).toString('hex')}`;
    const [sender, receiver] = [`sender-of-${size}`, `receiver-of-${size}`];
    const nodes = Array.from({ length: size }, (_, index) => ({
      id: [sender, receiver][index] ?? `node-${index + 1}-of-${size}`,
      phase: index / size,
    }));
    const crowd = nodes.slice(2);
    await Promise.all([
      this.sender.call('open', { url, nodes: nodes.slice(0, 1) }),
      this.receiver.call('open', { url, nodes: nodes.slice(1, 2) }),
      ...this.#crowds.map((worker, index) =>
        worker.call('open', {
          url,
          nodes: crowd.filter((_, place) => place % this.#crowds.length === index),
        }),
      ),
    ]);
    await this.receiver.call('answer', { node: receiver });
    const after = await this.sender.call('createSession', { node: sender, session });
    await this.receiver.call('hold', { node: receiver, session, after });
    return { size, redis, sender, receiver, session };
  }
}
