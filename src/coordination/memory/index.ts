import type { Logger } from '../../telemetry/types.ts';
import type { Coordination } from '../coordination.ts';
import { STREAM_LOG_LIMITS, type StreamLogLimits } from '../stream-log.ts';
import { MemoryAllowances } from './allowances.ts';
import { MemoryBus } from './bus.ts';
import { MemoryCallJournal } from './call-journal.ts';
import { MemoryCatalogStore } from './catalog-store.ts';
import { MemoryHub } from './hub.ts';
import { MemoryLeases } from './leases.ts';
import { MemoryMembers } from './members.ts';
import { MemoryRecordings } from './recordings.ts';
import { MemorySessionStore } from './session-store.ts';
import { MemoryStreamLog } from './stream-log.ts';

export { MemoryHub };

export interface MemoryCoordinationOptions {
  readonly nodeId: string;
  /** Nodes with the same hub are a cluster in one process. Default: one of its own. */
  readonly hub?: MemoryHub;
  /** Told of listeners of the bus that throw. */
  readonly logger?: Logger;
  readonly streamLimits?: StreamLogLimits;
}

/** Coordination of a gateway that is one node, in this process: nothing to install, nothing that outlives it. */
export function createMemoryCoordination(options: MemoryCoordinationOptions): Coordination {
  const { nodeId, hub = new MemoryHub(), logger, streamLimits = STREAM_LOG_LIMITS } = options;
  const bus = new MemoryBus(nodeId, hub, logger);
  return {
    nodeId,
    sessions: new MemorySessionStore(hub),
    streams: new MemoryStreamLog(hub, streamLimits),
    calls: new MemoryCallJournal(hub),
    bus,
    catalogs: new MemoryCatalogStore(hub),
    leases: new MemoryLeases(hub),
    members: new MemoryMembers(hub),
    allowances: new MemoryAllowances(hub),
    recordings: new MemoryRecordings(hub),
    ping: async () => undefined,
    close: () => bus.close(),
  };
}
