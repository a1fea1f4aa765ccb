import type { SQL } from 'drizzle-orm';
import type { EventOutcome, EventType, StoredEvent } from '../events/event.ts';
import { sql } from './drizzle.ts';
import type { ChainPlace } from './event-chain.ts';
import type { Orm } from './orm.ts';

type Row = Readonly<Record<string, unknown>>;

/** The rows of a statement, whichever driver runs it. */
export async function rowsOf(orm: Orm, statement: SQL): Promise<readonly Row[]> {
  const result: unknown = await orm.execute(statement);
  if (Array.isArray(result)) return result;
  return (result as { readonly rows: readonly Row[] }).rows;
}

/**
 * Columns of an event with its place. Some have the name of what they are made of: an order is to name the table, or it would
 * be that of the results, which no index has. Numbers are told in a type that both drivers give as a number.
 */
export const COLUMNS = sql.raw(
  'id::text as id, (extract(epoch from time) * 1000)::float8 as time, tenant_id, user_id, type, action, outcome, server, ' +
    'tool, session, node, duration_us::float8 as duration_us, request_bytes::float8 as request_bytes, ' +
    'answer_bytes::float8 as answer_bytes, detail, ordinal::float8 as ordinal, hash',
);

export function toEvent(row: Row): StoredEvent {
  const userId = text(row['user_id']);
  const server = text(row['server']);
  const tool = text(row['tool']);
  const session = text(row['session']);
  const durationUs = number(row['duration_us']);
  const requestBytes = number(row['request_bytes']);
  const answerBytes = number(row['answer_bytes']);
  const detail = text(row['detail']);
  return {
    id: String(row['id']),
    time: Math.round(Number(row['time'])),
    tenantId: String(row['tenant_id']),
    type: String(row['type']) as EventType,
    action: String(row['action']),
    outcome: String(row['outcome']) as EventOutcome,
    node: String(row['node']),
    ...(userId === undefined ? {} : { userId }),
    ...(server === undefined ? {} : { server }),
    ...(tool === undefined ? {} : { tool }),
    ...(session === undefined ? {} : { session }),
    ...(durationUs === undefined ? {} : { durationUs }),
    ...(requestBytes === undefined ? {} : { requestBytes }),
    ...(answerBytes === undefined ? {} : { answerBytes }),
    ...(detail === undefined ? {} : { detail }),
  };
}

export function placeOf(row: Row): ChainPlace {
  return { ordinal: Number(row['ordinal']), hash: String(row['hash']) };
}

/** Stores events at their places, all in one statement: as JSON, which both drivers pass on as it is. */
export async function insertEvents(
  orm: Orm,
  placed: readonly (readonly [StoredEvent, ChainPlace])[],
): Promise<void> {
  const rows = placed.map(([event, place]) => ({
    id: event.id,
    time: new Date(event.time).toISOString(),
    tenant_id: event.tenantId,
    user_id: event.userId,
    type: event.type,
    action: event.action,
    outcome: event.outcome,
    server: event.server,
    tool: event.tool,
    session: event.session,
    node: event.node,
    duration_us: event.durationUs,
    request_bytes: event.requestBytes,
    answer_bytes: event.answerBytes,
    detail: event.detail,
    ...place,
  }));
  await orm.execute(sql`insert into dragon.events (${NAMES}) select ${NAMES} from ${recordset(rows, TYPES)}`);
}

const TYPES =
  'id uuid, time timestamptz, tenant_id text, user_id text, type text, action text, outcome text, server text, tool text, ' +
  'session text, node text, duration_us bigint, request_bytes bigint, answer_bytes bigint, detail text, ordinal bigint, ' +
  'hash text';

const NAMES = sql.raw(
  TYPES.split(', ')
    .map((column) => column.split(' ', 1)[0])
    .join(', '),
);

/** Values as a table with the alias `given`. `types`: its columns, as SQL. */
export function recordset(rows: readonly object[], types: string): SQL {
  return sql`jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb) as given(${sql.raw(types)})`;
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

function number(value: unknown): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}
