import { startGateway } from './compose.ts';
import { type Config, ConfigError, loadConfig } from './config.ts';
import { Code, GatewayError } from './protocol/errors.ts';
import { boundReadBuffers } from './read-buffers.ts';
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
  boundReadBuffers();
  const logger = createLogger({ level: config.logLevel, format: config.logFormat, node: config.nodeId });
  try {
    const gateway = await startGateway(config, logger);
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

/** What an operator can mend about a failed start; undefined for a fault of ours. */
function startFailure(error: unknown): string | undefined {
  if (error instanceof GatewayError && error.code !== Code.Internal) return error.message;
  if (!(error instanceof Error) || !('code' in error)) return undefined;
  const { code, port, address } = error as NodeJS.ErrnoException & { port?: number; address?: string };
  if (code === 'EADDRINUSE') {
    return `Port ${port} is in use; another gateway may be running. Choose other ports with DRAGON_MCP_PORT, DRAGON_GRPC_PORT and DRAGON_MANAGEMENT_PORT (0: any free one).`;
  }
  if (code === 'EACCES') return `Port ${port} may not be listened on by this user; choose one above 1023.`;
  if (code === 'EADDRNOTAVAIL') return `DRAGON_HOST: this machine has no address ${address}.`;
  return undefined;
}

function fail(reason: string): void {
  process.stderr.write(`dragon: ${reason}\n`);
  process.exitCode = EXIT_CONFIG;
}
