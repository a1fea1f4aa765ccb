import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Coordination } from '../../src/coordination/coordination.ts';
import { createPrimaryCoordination } from '../../src/coordination/primary/index.ts';
import type { StreamLogLimits } from '../../src/coordination/stream-log.ts';
import { Channel } from '../../src/ipc/channel.ts';
import { processWire } from '../../src/ipc/process-wire.ts';
import { Lines } from './shared-wire.ts';

const HUB = fileURLToPath(new URL('hub-process.ts', import.meta.url));

/** Nodes here whose coordination is in another process. */
export class PrimaryNodes {
  readonly #hub = fork(HUB, [], { serialization: 'advanced', execArgv: [] });
  readonly #ended = once(this.#hub, 'exit');
  readonly #lines = new Lines(processWire(this.#hub));

  readonly make = async (nodeId: string, streamLimits?: StreamLogLimits): Promise<Coordination> =>
    (await this.start(nodeId, streamLimits)).coordination;

  async start(nodeId: string, streamLimits?: StreamLogLimits) {
    const channel = new Channel(this.#lines.join({ nodeId, streamLimits }));
    return { coordination: createPrimaryCoordination({ nodeId, channel }), channel };
  }

  /** As if the primary had died. */
  async kill(): Promise<void> {
    this.#hub.kill('SIGKILL');
    await this.#ended;
  }

  async close(): Promise<void> {
    if (this.#hub.connected) this.#hub.disconnect();
    await this.#ended;
  }
}
