import { createRequire } from 'node:module';

/*
 * drizzle-orm is loaded as CommonJS. As ES modules its hundred files take 400 ms to load, because Node reads the
 * package's very large `exports` again for each of them; as CommonJS they take 60 ms. One start, one instance: all
 * of db/ takes drizzle from here.
 */
const require = createRequire(import.meta.url);

type Orm = typeof import('drizzle-orm');
type PgCore = typeof import('drizzle-orm/pg-core');

export const { and, asc, count, eq, gt, isNotNull, isNull, lt, not, or, sql }: Orm = require('drizzle-orm');

export const {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgSchema,
  primaryKey,
  serial,
  text,
  timestamp,
  unique,
  uuid,
}: PgCore = require('drizzle-orm/pg-core');

/** The two drivers, each loaded only where it is used. */
export function loadPgliteDriver(): typeof import('drizzle-orm/pglite').drizzle {
  return require('drizzle-orm/pglite').drizzle;
}

export function loadPostgresDriver(): typeof import('drizzle-orm/postgres-js').drizzle {
  return require('drizzle-orm/postgres-js').drizzle;
}
