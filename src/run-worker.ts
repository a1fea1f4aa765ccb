import { createSecretKey } from 'node:crypto';
import { type RunningGateway, startGateway } from './compose.ts';
import { ConfigError, loadConfig } from './config.ts';
import { workerFoundation } from './foundation.ts';
import { Channel } from './ipc/channel.ts';
import { processWire } from './ipc/process-wire.ts';
import { boundReadBuffers } from './read-buffers.ts';
import { startFailure } from './start-failure.ts';
import { createLogger } from './telemetry/logger.ts';
import { PRIMARY, type Seat, WORKER } from './workers/messages.ts';
import { shareOf } from './workers/share.ts';

/** Runs a node whose primary has started this process and says when it is to stop. When the primary goes, so does it. */
export async function runWorker(): Promise<void> {
  // A terminal and a service manager send these to every process of a group; the primary knows what to make of them.
  for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => {});
  let gateway: RunningGateway | undefined;
  const channel = new Channel(processWire(process));
  channel.serve(WORKER.stop, async (delayMs: number) => {
    await gateway?.stop(delayMs);
    process.exit(0);
  });
  const seat = (await channel.call(PRIMARY.seat)) as Seat;
  try {
    const config = shareOf(loadConfig(seat.environment), seat);
    boundReadBuffers();
    const logger = createLogger({
      level: config.logLevel,
      format: config.logFormat,
      node: config.nodeId,
      showNode: true,
    });
    process.on('unhandledRejection', (error) => logger.error('a rejection was not handled', { err: error }));
    const foundation = workerFoundation(config, logger, channel, createSecretKey(seat.fleetKey));
    gateway = await startGateway(config, logger, foundation);
    channel.tell(PRIMARY.ready, gateway.ports);
  } catch (error) {
    const reason = error instanceof ConfigError ? error.message : startFailure(error);
    if (reason === undefined) throw error;
    await channel.call(PRIMARY.failed, reason);
    process.exit(1);
  }
}
