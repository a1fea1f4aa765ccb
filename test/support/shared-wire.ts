import type { StreamLogLimits } from '../../src/coordination/stream-log.ts';
import type { Wire } from '../../src/ipc/channel.ts';

/** Begins the line of a node. */
export interface Join {
  readonly nodeId: string;
  readonly streamLimits: StreamLogLimits | undefined;
}

type Carried = { readonly join: Join } | { readonly line: string; readonly message: unknown };

/** Many wires over one. */
export class Lines {
  readonly #wire: Wire;
  readonly #listeners = new Map<string, (message: unknown) => void>();
  readonly #closed: (() => void)[] = [];
  onJoin: (join: Join) => void = () => {};

  constructor(wire: Wire) {
    this.#wire = wire;
    wire.onMessage((message) => {
      const carried = message as Carried;
      if ('join' in carried) this.onJoin(carried.join);
      else this.#listeners.get(carried.line)?.(carried.message);
    });
    wire.onClose(() => {
      for (const listener of this.#closed.splice(0)) listener();
    });
  }

  join(join: Join): Wire {
    this.#wire.send({ join } satisfies Carried);
    return this.wire(join.nodeId);
  }

  wire(line: string): Wire {
    return {
      send: (message) => this.#wire.send({ line, message } satisfies Carried),
      onMessage: (listener) => void this.#listeners.set(line, listener),
      onClose: (listener) => void this.#closed.push(listener),
    };
  }
}
