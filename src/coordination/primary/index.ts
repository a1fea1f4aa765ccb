import type { Channel } from '../../ipc/channel.ts';
import { remotePort } from '../../ipc/port.ts';
import type { Logger } from '../../telemetry/types.ts';
import type { Coordination } from '../coordination.ts';
import { PrimaryBus } from './bus.ts';
import {
  ALLOWANCES,
  CALLS,
  CATALOGS,
  LEASES,
  MEMBERS,
  PING,
  RECORDINGS,
  SESSIONS,
  STREAMS,
} from './methods.ts';

export interface PrimaryCoordinationOptions {
  /** Another one for each process that is started. */
  readonly nodeId: string;
  /** To the process that has called `hostNode` with its end. */
  readonly channel: Channel;
  /** Told of listeners of the bus that throw. */
  readonly logger?: Logger;
}

/** Coordination of a worker: what the workers of one gateway share is in their primary, and goes with it. */
export function createPrimaryCoordination(options: PrimaryCoordinationOptions): Coordination {
  const { nodeId, channel, logger } = options;
  const bus = new PrimaryBus(nodeId, channel, logger);
  return {
    nodeId,
    sessions: remotePort(channel, 'sessions', SESSIONS),
    streams: remotePort(channel, 'streams', STREAMS),
    calls: remotePort(channel, 'calls', CALLS),
    bus,
    catalogs: remotePort(channel, 'catalogs', CATALOGS),
    leases: remotePort(channel, 'leases', LEASES),
    members: remotePort(channel, 'members', MEMBERS),
    allowances: remotePort(channel, 'allowances', ALLOWANCES),
    recordings: remotePort(channel, 'recordings', RECORDINGS),
    ping: async () => void (await channel.call(PING)),
    close: () => bus.close(),
  };
}
