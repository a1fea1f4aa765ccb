import type { SQL } from 'drizzle-orm';
import { Code, GatewayError } from '../protocol/errors.ts';
import { and, sql } from './drizzle.ts';
import type { EventFilter, EventPage, LaterEvents } from './event-record.ts';
import { COLUMNS, rowsOf, toEvent } from './event-rows.ts';
import type { Orm } from './orm.ts';

/** Where a page ends: no two events have the same time and id. */
interface Cursor {
  readonly time: number;
  readonly id: string;
}

/** A page of events, the newest first. What is stored meanwhile moves nothing. */
export async function pageOfEvents(
  orm: Orm,
  filter: EventFilter,
  pageSize: number,
  pageToken: string | undefined,
): Promise<EventPage> {
  const rows = await rowsOf(orm, pageStatement(filter, pageSize, pageToken));
  const items = rows.slice(0, pageSize).map(toEvent);
  const last = items.at(-1);
  return { items, ...(rows.length > pageSize && last ? { nextPageToken: encodeCursor(last) } : {}) };
}

/** One row more than asked for tells whether there is a next page. Throws InvalidArgument for a bad token. */
export function pageStatement(filter: EventFilter, pageSize: number, pageToken: string | undefined): SQL {
  const cursor = pageToken === undefined ? undefined : decodeCursor(pageToken);
  const after =
    cursor &&
    // The first condition says nothing new, but to the planner: which parts of the table need not be looked at.
    sql`time <= ${moment(cursor.time)} and (time, id) < (${moment(cursor.time)}, ${cursor.id}::uuid)`;
  return sql`select ${COLUMNS} from dragon.events e where ${where(filter, after)} order by e.time desc, e.id desc limit ${pageSize + 1}`;
}

export async function lastOrdinal(orm: Orm, tenantId: string): Promise<number> {
  const [row] = await rowsOf(
    orm,
    sql`select ordinal::float8 as ordinal from dragon.event_chains where tenant_id = ${tenantId}`,
  );
  return Number(row?.['ordinal'] ?? 0);
}

export async function eventsAfter(
  orm: Orm,
  filter: EventFilter,
  ordinal: number,
  limit: number,
): Promise<LaterEvents> {
  // Asked first: what is stored between the two questions comes with the next.
  const last = await lastOrdinal(orm, filter.tenantId);
  if (last <= ordinal) return { items: [], ordinal };
  const range = sql`ordinal > ${ordinal} and ordinal <= ${last}`;
  const rows = await rowsOf(
    orm,
    sql`select ${COLUMNS} from dragon.events e where ${where(filter, range)} order by e.ordinal limit ${limit}`,
  );
  const isCut = rows.length === limit;
  return { items: rows.map(toEvent), ordinal: isCut ? Number(rows.at(-1)?.['ordinal']) : last };
}

function where(filter: EventFilter, more: SQL | undefined): SQL | undefined {
  const { userId, type, server, tool, outcome, since, until } = filter;
  return and(
    sql`tenant_id = ${filter.tenantId}`,
    userId === undefined ? undefined : sql`user_id = ${userId}`,
    type === undefined ? undefined : sql`type = ${type}`,
    server === undefined ? undefined : sql`server = ${server}`,
    tool === undefined ? undefined : sql`tool = ${tool}`,
    outcome === undefined ? undefined : sql`outcome = ${outcome}`,
    since === undefined ? undefined : sql`time >= ${moment(since)}`,
    until === undefined ? undefined : sql`time < ${moment(until)}`,
    more,
  );
}

function moment(ms: number): SQL {
  return sql`${new Date(ms).toISOString()}::timestamptz`;
}

function encodeCursor({ time, id }: Cursor): string {
  return Buffer.from(`${time}:${id}`).toString('base64url');
}

/** InvalidArgument for anything that {@link encodeCursor} does not make. */
function decodeCursor(token: string): Cursor {
  const text = Buffer.from(token, 'base64url').toString('latin1');
  const [, digits, id] = /^(\d{1,15}):([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(text) ?? [];
  const cursor = { time: Number(digits), id: id ?? '' };
  if (digits === undefined || cursor.time > MAX_TIME || encodeCursor(cursor) !== token) {
    const description = 'is not a token that this list has given';
    throw new GatewayError(Code.InvalidArgument, `The page token ${description}`, {
      fields: [{ field: 'page_token', description }],
    });
  }
  return cursor;
}

/** The end of the year 9999. */
const MAX_TIME = 253_402_300_799_999;
