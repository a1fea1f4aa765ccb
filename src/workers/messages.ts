/** What a worker asks its primary, and tells it. Beside this the primary serves coordination and the database. */
export const PRIMARY = {
  /** `()`, answered with a {@link Seat} once everything is there that a worker needs. */
  seat: 'primary.seat',
  /** `(ports: Ports)`: it serves. */
  ready: 'primary.ready',
  /** `(reason)`: it cannot start, for a reason that an operator can mend. */
  failed: 'primary.failed',
} as const;

/** What the primary asks a worker, and tells it. */
export const WORKER = {
  /** Answered with `{ ready, reasons }`. */
  readiness: 'worker.readiness',
  /** Answered with the members of the cluster, as the worker knows them. */
  members: 'worker.members',
  /** Answered with its metrics, in the text format of Prometheus. */
  scrape: 'worker.scrape',
  /** `()`: it is the one that runs jobs. */
  elected: 'worker.elected',
  /** `(delayMs)`: it is to stop, as a node does that gets SIGTERM. */
  stop: 'worker.stop',
} as const;

/** The ports that workers listen on together. */
export interface Ports {
  readonly mcp: number;
  readonly management: number;
}

/** What a worker is, and what it has to know. */
export interface Seat {
  readonly nodeId: string;
  /** The settings, as they stand in the environment. */
  readonly environment: Readonly<Record<string, string | undefined>>;
  readonly ports: Ports;
  /** 32 bytes that all workers of this gateway have, made at its start. */
  readonly fleetKey: Buffer;
}
