import { createSecretKey, type KeyObject, randomBytes } from 'node:crypto';
import type { Config } from './config.ts';
import type { Coordination } from './coordination/coordination.ts';
import { createKeys } from './coordination/keys.ts';
import { createMemoryCoordination } from './coordination/memory/index.ts';
import { createPrimaryCoordination } from './coordination/primary/index.ts';
import { type Database, openDatabase } from './db/database.ts';
import { remoteDatabase } from './db/remote.ts';
import type { RunningServer } from './edge/mcp-server.ts';
import { type OpsServerOptions, startOpsServer } from './edge/ops.ts';
import type { Channel } from './ipc/channel.ts';
import { ElectedJobs } from './jobs/elected.ts';
import { InProcessJobs } from './jobs/in-process.ts';
import type { Jobs, Schedule } from './jobs/jobs.ts';
import type { Runner } from './jobs/runner.ts';
import type { Logger, ObserveStore } from './telemetry/types.ts';
import { WORKER } from './workers/messages.ts';

/** What a node stands on. A gateway of one process has all of it to itself; workers have some of it at their primary. */
export interface Foundation {
  /** Other nodes know what this one knows, and go on with what it leaves when it dies. */
  readonly hasPeers: boolean;
  /** When this node is asked to stop, others stay. */
  readonly isOutlived: boolean;
  /** The same on all nodes that a client may come to. */
  readonly fleetKeys: readonly KeyObject[];
  openCoordination(observe: ObserveStore): Promise<Coordination>;
  openDatabase(observe: ObserveStore): Promise<Database>;
  openOps(sources: OpsSources): Promise<RunningServer>;
  openJobs(schedules: readonly Schedule[], runner: Runner): Promise<Jobs>;
}

type OpsSources = Pick<OpsServerOptions, 'readiness' | 'members' | 'metrics'>;

/** That of a gateway that is one process. With Redis it is a node of a cluster; else the cluster is this node. */
export function ownFoundation(config: Config, logger: Logger): Foundation {
  const { redisUrl, nodeId, host, managementPort: port, allowedHosts } = config;
  return {
    hasPeers: redisUrl !== undefined,
    isOutlived: redisUrl !== undefined,
    // Alone, a gateway that was started anew knows no call that waits; its key need not last.
    fleetKeys: config.encryptionKeys.length > 0 ? config.encryptionKeys : [createSecretKey(randomBytes(32))],
    openCoordination: async (observe) =>
      redisUrl === undefined
        ? createMemoryCoordination({ nodeId, logger })
        : openRedis(config, redisUrl, logger, observe),
    openDatabase: (observe) => openDatabase({ ...config, observe, logger }),
    openOps: (sources) => startOpsServer({ ...sources, host, port, allowedHosts, logger }),
    openJobs: async (schedules, runner) =>
      redisUrl === undefined
        ? new InProcessJobs(schedules, runner)
        : openQueue(config, redisUrl, schedules, runner, logger),
  };
}

/** That of a worker. What others share through Redis and PostgreSQL it has from there; all else is at its primary. */
export function workerFoundation(
  config: Config,
  logger: Logger,
  channel: Channel,
  fleetKey: KeyObject,
): Foundation {
  const { redisUrl, nodeId } = config;
  return {
    hasPeers: true,
    // Without Redis all workers are asked together, and what they share goes with their primary.
    isOutlived: redisUrl !== undefined,
    fleetKeys: config.encryptionKeys.length > 0 ? config.encryptionKeys : [fleetKey],
    openCoordination: async (observe) =>
      redisUrl === undefined
        ? createPrimaryCoordination({ nodeId, channel, logger })
        : openRedis(config, redisUrl, logger, observe),
    openDatabase: async (observe) =>
      config.databaseUrl === undefined
        ? remoteDatabase(channel)
        : openDatabase({ ...config, observe, logger }),
    async openOps({ readiness, members, metrics }) {
      channel.serve(WORKER.readiness, readiness);
      channel.serve(WORKER.members, members);
      channel.serve(WORKER.scrape, () => metrics.scrape());
      return { port: 0, drain: () => undefined, close: async () => undefined };
    },
    async openJobs(schedules, runner) {
      if (redisUrl !== undefined) return openQueue(config, redisUrl, schedules, runner, logger);
      const onElected = (listener: () => void) => channel.serve(WORKER.elected, listener);
      return new ElectedJobs({ schedules, runner, onElected });
    },
  };
}

async function openRedis(
  config: Config,
  url: string,
  logger: Logger,
  observe: ObserveStore,
): Promise<Coordination> {
  const { nodeId, redisPrefix: keyPrefix, encryptionKeys: signingKeys } = config;
  // Loaded only where it is used: the start without it is faster.
  const { createRedisCoordination } = await import('./coordination/redis/index.ts');
  return createRedisCoordination({ url, nodeId, keyPrefix, signingKeys, logger, observe });
}

/** One queue for the cluster. */
async function openQueue(
  { nodeId, redisPrefix }: Config,
  redisUrl: string,
  schedules: readonly Schedule[],
  runner: Runner,
  logger: Logger,
): Promise<Jobs> {
  const { openQueueConnection } = await import('./coordination/redis/queue-connection.ts');
  const { BullJobs } = await import('./jobs/bullmq.ts');
  const prefix = createKeys(redisPrefix).jobs;
  const connection = openQueueConnection(redisUrl, `dragon:${nodeId}`, prefix);
  return new BullJobs({ connection, prefix, nodeId, schedules, runner, logger });
}
