import { setTimeout as delay } from 'node:timers/promises';
import type { NodeReadiness } from './readiness.ts';

/** For the answers of calls that are cut to leave, in milliseconds. */
const CUT_MS = 500;
const LOOK_MS = 20;

/** See `edge/connections.ts`. */
interface Port {
  drain(): void;
  close(graceMs: number): Promise<void>;
}

export interface DrainOptions {
  readonly readiness: NodeReadiness;
  /** Those that clients call. */
  readonly ports: readonly Port[];
  /** Requests under way, those included whose connections are lost or that other nodes have sent here. */
  readonly underWay: () => number;
  /** Closes the streams that belong to no request: their clients come back, and not to here. */
  readonly disconnect: () => void;
  /** Ends what is under way, each with an answer that says so. */
  readonly cut: () => void;
  /** Milliseconds for which requests are taken as before: for whoever sends them to find out that others should get them. */
  readonly delayMs: number;
  /** Milliseconds for what is under way then. */
  readonly limitMs: number;
}

/** Lets go of clients without breaking a call. Resolves when there is no connection and nothing under way. */
export async function drain(options: DrainOptions): Promise<void> {
  const { readiness, ports, underWay, limitMs } = options;
  readiness.drain();
  for (const port of ports) port.drain();
  await delay(options.delayMs);
  readiness.leave();
  let isClosed = false;
  const closed = Promise.all(ports.map((port) => port.close(limitMs + CUT_MS))).then(() => {
    isClosed = true;
  });
  options.disconnect();
  const latest = performance.now() + limitMs;
  while (!isClosed || underWay() > 0) {
    if (performance.now() >= latest) {
      options.cut();
      break;
    }
    await delay(LOOK_MS);
  }
  await closed;
}
