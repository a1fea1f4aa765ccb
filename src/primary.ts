import cluster from 'node:cluster';
import { randomBytes } from 'node:crypto';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RunningGateway } from './compose.ts';
import type { Config } from './config.ts';
import type { Member } from './coordination/members.ts';
import { MemoryHub } from './coordination/memory/index.ts';
import { MemoryMembers } from './coordination/memory/members.ts';
import { hostNode } from './coordination/primary/host.ts';
import { unavailable } from './coordination/unavailable.ts';
import { openDatabase } from './db/database.ts';
import { serveDatabase } from './db/remote.ts';
import { startOpsServer } from './edge/ops.ts';
import { once } from './once.ts';
import { Code, GatewayError } from './protocol/errors.ts';
import { createMetrics } from './telemetry/metrics.ts';
import type { Logger } from './telemetry/types.ts';
import { urlsOf } from './urls.ts';
import { packageVersion } from './version.ts';
import { WORKER } from './workers/messages.ts';
import { askAny, metricsOf, readinessOf } from './workers/reports.ts';
import { Supervisor } from './workers/supervisor.ts';

/** Compiled or not, as this file is. */
const PROGRAM = fileURLToPath(new URL(`./worker${extname(import.meta.url)}`, import.meta.url));

/** Probes and scrapers are soon done. */
const OPS_CLOSE_MS = 1000;

/**
 * Starts a gateway of several processes. The workers serve clients. This process starts them, keeps what they share that
 * is not in Redis or PostgreSQL, and listens on the port for operations.
 */
export async function startPrimary(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
  logger: Logger,
): Promise<RunningGateway> {
  if (!cluster.isPrimary) {
    const message =
      'DRAGON_WORKERS: this process is itself a worker of a program that uses node:cluster; expected 1';
    throw new GatewayError(Code.FailedPrecondition, message);
  }
  const { host, allowedHosts, nodeId } = config;
  const metrics = createMetrics({ ...config, version: packageVersion() });
  const hub = config.redisUrl === undefined ? new MemoryHub() : undefined;
  const database =
    config.databaseUrl === undefined ? openDatabase({ ...config, observe: metrics.store }) : undefined;
  // Whoever waits for it is told what went wrong, and there may be nobody yet.
  database?.catch(() => {});
  const fleetKey = randomBytes(32);
  let phase: 'starting' | 'serving' | 'shutting down' = 'starting';

  const supervisor = new Supervisor({
    count: config.workers,
    nodeId,
    program: PROGRAM,
    ports: { mcp: config.mcpPort, management: config.grpcPort },
    admit(worker, channel) {
      const leave = hub === undefined ? undefined : hostNode({ nodeId: worker, channel, hub });
      return () => void leave?.();
    },
    async seat(channel) {
      if (database !== undefined) serveDatabase(channel, await database);
      return { environment, fleetKey };
    },
    logger,
  });

  const members = async (): Promise<readonly Member[]> => {
    if (hub !== undefined) return new MemoryMembers(hub).list();
    const answer = await askAny<readonly Member[]>(supervisor.serving, WORKER.members);
    if (answer === undefined) throw unavailable();
    return answer;
  };
  const readiness = async () =>
    phase === 'serving' ? readinessOf(supervisor.serving) : { ready: false, reasons: [phase] };
  const scrape = async () => metricsOf(await metrics.scrape(), supervisor.serving);

  const stop = once(async (delayMs: number = 0) => {
    phase = 'shutting down';
    logger.info('stopping', { delayMs });
    await supervisor.stop(delayMs, config.shutdownTimeoutMs);
    await ops?.close(OPS_CLOSE_MS);
    await database?.then(
      (open) => open.close(),
      () => undefined,
    );
    await metrics.shutdown();
    logger.info('stopped');
  });

  let ops: Awaited<ReturnType<typeof startOpsServer>> | undefined;
  try {
    // First of all: whoever watches the start is told that it is under way.
    const port = config.managementPort;
    ops = await startOpsServer({
      host,
      port,
      allowedHosts,
      logger,
      readiness,
      members,
      metrics: { scrape },
    });
    const [ports] = await Promise.all([supervisor.start(), database]);
    phase = 'serving';
    return { urls: urlsOf(host, { ...ports, ops: ops.port }), ports, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
