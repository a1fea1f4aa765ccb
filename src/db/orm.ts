import type { PgDatabase, PgQueryResultHKT } from 'drizzle-orm/pg-core';
import type { ObserveStore } from '../telemetry/types.ts';

/** What the queries run on: either driver of drizzle, or a transaction of it. */
export type Orm = PgDatabase<PgQueryResultHKT, Record<string, never>>;

/** A database that is open and not yet looked into. */
export interface Engine {
  readonly orm: Orm;
  /** Told of how long queries take. */
  observe?: ObserveStore;
  /** Drops connections that have stopped to answer. */
  reset(): void;
  /** Ends connections and releases locks; queries that run are given a few seconds. */
  close(): Promise<void>;
}
