import type { Channel } from '../../ipc/channel.ts';
import { servePort } from '../../ipc/port.ts';
import { MemoryAllowances } from '../memory/allowances.ts';
import { MemoryCallJournal } from '../memory/call-journal.ts';
import { MemoryCatalogStore } from '../memory/catalog-store.ts';
import type { MemoryHub, Receiver } from '../memory/hub.ts';
import { MemoryLeases } from '../memory/leases.ts';
import { MemoryMembers } from '../memory/members.ts';
import { MemoryRecordings } from '../memory/recordings.ts';
import { MemorySessionStore } from '../memory/session-store.ts';
import { MemoryStreamLog } from '../memory/stream-log.ts';
import { STREAM_LOG_LIMITS, type StreamLogLimits } from '../stream-log.ts';
import {
  ALLOWANCES,
  BUS,
  CALLS,
  CATALOGS,
  LEASES,
  MEMBERS,
  PING,
  RECORDINGS,
  SESSIONS,
  STREAMS,
} from './methods.ts';

export interface HostedNode {
  readonly nodeId: string;
  /** The node's end of it is given to `createPrimaryCoordination`. */
  readonly channel: Channel;
  /** Nodes with the same hub are a cluster. */
  readonly hub: MemoryHub;
  readonly streamLimits?: StreamLogLimits;
}

/**
 * Has a worker take part in what the primary keeps. To be called with the returned function when the worker has ended:
 * the others need not wait for its time to run out. Its leases run out by themselves, since what it had started may live
 * a moment longer.
 */
export function hostNode({
  nodeId,
  channel,
  hub,
  streamLimits = STREAM_LOG_LIMITS,
}: HostedNode): () => Promise<void> {
  const members = new MemoryMembers(hub);
  servePort(channel, 'sessions', SESSIONS, new MemorySessionStore(hub));
  servePort(channel, 'streams', STREAMS, new MemoryStreamLog(hub, streamLimits));
  servePort(channel, 'calls', CALLS, new MemoryCallJournal(hub));
  servePort(channel, 'catalogs', CATALOGS, new MemoryCatalogStore(hub));
  servePort(channel, 'leases', LEASES, new MemoryLeases(hub));
  servePort(channel, 'members', MEMBERS, members);
  servePort(channel, 'allowances', ALLOWANCES, new MemoryAllowances(hub));
  servePort(channel, 'recordings', RECORDINGS, new MemoryRecordings(hub));
  channel.serve(PING, () => undefined);

  const receive: Receiver = (json, from) => channel.tell(BUS.message, json, from);
  const leaveBus = () => {
    if (hub.receivers.get(nodeId) === receive) hub.receivers.delete(nodeId);
  };
  hub.receivers.set(nodeId, receive);
  channel.serve(BUS.send, (to: string, json: string) => {
    const receiver = hub.receivers.get(to);
    receiver?.(json, nodeId);
    return receiver !== undefined;
  });
  channel.serve(BUS.broadcast, (json: string) => {
    for (const [id, receiver] of hub.receivers) if (id !== nodeId) receiver(json, nodeId);
  });
  channel.serve(BUS.close, leaveBus);
  return () => {
    leaveBus();
    return members.leave(nodeId);
  };
}
