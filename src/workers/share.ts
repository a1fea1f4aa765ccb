import type { Config } from '../config.ts';
import type { Seat } from './messages.ts';

/**
 * The configuration of one worker: whoever sets a limit sets it for the machine, so each worker has its share of it,
 * rounded up.
 */
export function shareOf(config: Config, { nodeId, ports }: Pick<Seat, 'nodeId' | 'ports'>): Config {
  const share = (limit: number) => Math.ceil(limit / config.workers);
  return Object.freeze({
    ...config,
    nodeId,
    mcpPort: ports.mcp,
    grpcPort: ports.management,
    maxInFlight: share(config.maxInFlight),
    maxInFlightPerPrincipal: share(config.maxInFlightPerPrincipal),
    maxInFlightPerServer: share(config.maxInFlightPerServer),
    maxStreamsPerPrincipal: share(config.maxStreamsPerPrincipal),
    maxConnections: share(config.maxConnections),
  });
}
