import { type RunningGateway, startGateway } from './compose.ts';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { boundReadBuffers } from './read-buffers.ts';
import { startFailure } from './start-failure.ts';
import { createLogger } from './telemetry/logger.ts';
import type { Logger } from './telemetry/types.ts';

/** Exit code of a start that the operator has to mend (EX_CONFIG of sysexits.h). */
const EXIT_CONFIG = 78;

/** Starts the gateway, tells where it is, and stops it on SIGINT, SIGTERM, or when the process that started it goes. */
export async function run(environment: Readonly<Record<string, string | undefined>>): Promise<void> {
  let config: Config;
  try {
    config = loadConfig(environment);
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error;
    return fail(error.message);
  }
  const logger = createLogger({
    level: config.logLevel,
    format: config.logFormat,
    node: config.nodeId,
    showNode: config.workers > 1,
  });
  try {
    const gateway = await start(config, environment, logger);
    announce(config, logger, gateway.urls);
    const why = await untilToldToStop(logger);
    // Ctrl-C is somebody's who waits for the end, and no balancer's.
    await gateway.stop(why === 'SIGTERM' ? config.drainDelayMs : 0);
    // Whatever a library may have left open must not keep a stopped gateway alive.
    process.exit(0);
  } catch (error) {
    const reason = startFailure(error);
    if (reason === undefined) throw error;
    fail(reason);
    process.exit();
  }
}

/** One process, or one and its workers. */
async function start(
  config: Config,
  environment: Readonly<Record<string, string | undefined>>,
  logger: Logger,
): Promise<RunningGateway> {
  if (config.workers > 1) {
    const { startPrimary } = await import('./primary.ts');
    return startPrimary(config, environment, logger);
  }
  boundReadBuffers();
  return startGateway(config, logger);
}

function announce(
  config: Config,
  logger: Logger,
  urls: { mcp: string; management: string; ops: string },
): void {
  logger.info('ready', urls);
  if (config.logFormat === 'json') return;
  // Where standard output is not a terminal it carries log lines, one object each, and nothing else.
  const people = process.stdout.isTTY === true ? process.stdout : process.stderr;
  people.write(`
  Dragon MCP Gateway is ready.

    MCP endpoint     ${urls.mcp}
    Management API   ${urls.management}   (Connect, gRPC, gRPC-Web)
    Health, metrics  ${urls.ops}

  Next: add a server, from another terminal in this folder:

    npx dragon server add everything --command "npx -y @modelcontextprotocol/server-everything"
    npx dragon tools

  Ctrl-C stops the gateway.

`);
}

/** Resolves with the signal, or with `disconnect`. */
function untilToldToStop(logger: Logger): Promise<string> {
  return new Promise((resolve) => {
    let toldAt: number | undefined;
    const stop = (why: string) => {
      if (toldAt !== undefined) {
        // Told again after a while: somebody is in a hurry. At once: one Ctrl-C came by two ways, the terminal's and npm's.
        if (why !== 'disconnect' && Date.now() - toldAt > 1000) process.exit(1);
        return;
      }
      toldAt = Date.now();
      logger.info('asked to stop', { why });
      resolve(why);
    };
    process.on('SIGINT', stop);
    process.on('SIGTERM', stop);
    process.on('disconnect', () => stop('disconnect'));
    process.on('unhandledRejection', (error) => logger.error('a rejection was not handled', { err: error }));
  });
}

function fail(reason: string): void {
  process.stderr.write(`dragon: ${reason}\n`);
  process.exitCode = EXIT_CONFIG;
}
