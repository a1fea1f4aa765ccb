// Holds what the nodes of a cluster share, as the primary of workers does: forked by `primary-nodes.ts`, whose nodes all
// talk to it over the one pipe between the two processes.

import { MemoryHub } from '../../src/coordination/memory/index.ts';
import { hostNode } from '../../src/coordination/primary/host.ts';
import { Channel } from '../../src/ipc/channel.ts';
import { processWire } from '../../src/ipc/process-wire.ts';
import { type Join, Lines } from './shared-wire.ts';

const hub = new MemoryHub();
const lines = new Lines(processWire(process));
lines.onJoin = ({ nodeId, streamLimits }: Join) => {
  const channel = new Channel(lines.wire(nodeId));
  const leave = hostNode({ nodeId, channel, hub, ...(streamLimits === undefined ? {} : { streamLimits }) });
  channel.serve('left', leave);
};
