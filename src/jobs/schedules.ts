import type { Schedule } from './jobs.ts';

/** What there is to do again and again. */
export interface Work {
  /** Asks servers again whose lists have had their time. */
  refreshCatalogs(): Promise<void>;
  /** Finds out how the servers are that nobody has asked lately. */
  probeServers(signal: AbortSignal): Promise<void>;
  /** Ends sessions whose nodes have all died. */
  retireSessions(signal: AbortSignal): Promise<void>;
  /** Drops events that are too old, and makes room for those that come. Absent where none are kept. */
  keepEvents?(): Promise<void>;
}

/** Milliseconds. */
export interface Intervals {
  readonly catalogTtlMs: number;
  readonly probeIntervalMs: number;
  readonly sessionIdleMs: number;
}

/** Servers may take their time, and there may be many. What is not done by then is left to the next run. */
const LONG_RUN_MS = 600_000;

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;

/** No oftener than this, in milliseconds, however short the times are that a job looks after. */
const LEAST_MS = 1000;

/** Names are those of the queue, of the log and of the metrics. */
export function schedules(work: Work, intervals: Intervals): readonly Schedule[] {
  const { catalogTtlMs, probeIntervalMs, sessionIdleMs } = intervals;
  const within = (ms: number, most: number) => Math.max(LEAST_MS, Math.min(ms, most));
  return [
    {
      // Whoever watches a server has a timer of its own: this is for what timers have missed.
      name: 'catalogs.refresh',
      everyMs: within(catalogTtlMs, MINUTE_MS),
      maxMs: LONG_RUN_MS,
      run: () => work.refreshCatalogs(),
    },
    {
      name: 'servers.probe',
      everyMs: probeIntervalMs === 0 ? 0 : Math.max(LEAST_MS, probeIntervalMs),
      maxMs: LONG_RUN_MS,
      run: (signal) => work.probeServers(signal),
    },
    {
      // Half a minute is enough: the store keeps what is overdue for a minute and a half.
      name: 'sessions.retire',
      everyMs: within(sessionIdleMs, MINUTE_MS / 2),
      maxMs: LONG_RUN_MS,
      run: (signal) => work.retireSessions(signal),
    },
    {
      name: 'events.retain',
      everyMs: work.keepEvents === undefined ? 0 : HOUR_MS,
      maxMs: LONG_RUN_MS,
      run: async () => work.keepEvents?.(),
    },
  ];
}
