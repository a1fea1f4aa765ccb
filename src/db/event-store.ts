import type { StoredEvent } from '../events/event.ts';
import { GatewayError } from '../protocol/errors.ts';
import { sql } from './drizzle.ts';
import { driverError } from './errors.ts';
import { CHAIN_START, type ChainPlace, nextPlace } from './event-chain.ts';
import { EventPartitions } from './event-partitions.ts';
import { eventsAfter, lastOrdinal, pageOfEvents } from './event-queries.ts';
import type { EventFilter, EventPage, EventStore, LaterEvents, Verification } from './event-record.ts';
import { insertEvents, placeOf, recordset, rowsOf } from './event-rows.ts';
import { verifyEvents } from './event-verify.ts';
import type { Engine, Orm } from './orm.ts';
import { run } from './run.ts';

/** No part of the table is for this row. */
const NO_PARTITION = '23514';

/** Events in the database: but for what they are asked for, the one place where their tables are read and written. */
export class DatabaseEventStore implements EventStore {
  readonly #engine: Engine;
  readonly #partitions: EventPartitions;

  constructor(engine: Engine) {
    this.#engine = engine;
    this.#partitions = new EventPartitions(engine);
  }

  async store(events: readonly StoredEvent[]): Promise<number> {
    if (events.length === 0) return 0;
    await this.#partitions.ensure(events.map(({ time }) => time));
    try {
      return await this.#insert(events);
    } catch (error) {
      if (driverError(GatewayError.from(error).cause)?.code !== NO_PARTITION) throw error;
      this.#partitions.forget();
      await this.#partitions.ensure(events.map(({ time }) => time));
      return await this.#insert(events);
    }
  }

  page(filter: EventFilter, pageSize: number, pageToken: string | undefined): Promise<EventPage> {
    return run(this.#engine, (orm) => pageOfEvents(orm, filter, pageSize, pageToken));
  }

  last(tenantId: string): Promise<number> {
    return run(this.#engine, (orm) => lastOrdinal(orm, tenantId));
  }

  after(filter: EventFilter, ordinal: number, limit: number): Promise<LaterEvents> {
    return run(this.#engine, (orm) => eventsAfter(orm, filter, ordinal, limit));
  }

  verify(tenantId: string): Promise<Verification> {
    return verifyEvents(this.#engine, tenantId);
  }

  async maintain(oldest: number, until: number): Promise<number> {
    await this.#partitions.ensure([Date.now(), until]);
    return await this.#partitions.drop(oldest);
  }

  #insert(events: readonly StoredEvent[]): Promise<number> {
    return run(this.#engine, (orm) => orm.transaction((transaction) => insert(transaction, events)));
  }
}

/** Whoever else stores events of these tenants waits: a chain is written by one at a time. */
async function insert(orm: Orm, events: readonly StoredEvent[]): Promise<number> {
  const tenants = [...new Set(events.map(({ tenantId }) => tenantId))].sort();
  const heads = await lockHeads(orm, tenants);
  const stored = await storedAlready(orm, events);
  const placed: (readonly [StoredEvent, ChainPlace])[] = [];
  for (const event of events) {
    if (stored.has(event.id)) continue;
    stored.add(event.id);
    const place = nextPlace(heads.get(event.tenantId) ?? CHAIN_START, event);
    heads.set(event.tenantId, place);
    placed.push([event, place]);
  }
  if (placed.length === 0) return 0;
  await insertEvents(orm, placed);
  const moved = [...heads].map(([tenantId, place]) => ({ tenant_id: tenantId, ...place }));
  await orm.execute(
    sql`update dragon.event_chains c set ordinal = given.ordinal, hash = given.hash from ${recordset(moved, 'tenant_id text, ordinal bigint, hash text')} where c.tenant_id = given.tenant_id`,
  );
  return placed.length;
}

/** The ends of the chains, which nobody else can move until this transaction is over. */
async function lockHeads(orm: Orm, tenants: readonly string[]): Promise<Map<string, ChainPlace>> {
  const names = recordset(
    tenants.map((tenantId) => ({ tenant_id: tenantId })),
    'tenant_id text',
  );
  const locked = async () => {
    const rows = await rowsOf(
      orm,
      // In one order for all, so that no two wait for each other.
      sql`select c.tenant_id, c.ordinal::float8 as ordinal, c.hash from dragon.event_chains c where c.tenant_id in (select given.tenant_id from ${names}) order by c.tenant_id for update`,
    );
    return new Map(rows.map((row) => [String(row['tenant_id']), placeOf(row)]));
  };
  const heads = await locked();
  if (heads.size === tenants.length) return heads;
  await orm.execute(
    sql`insert into dragon.event_chains (tenant_id) select given.tenant_id from ${names} order by 1 on conflict do nothing`,
  );
  return await locked();
}

/** An event may be told twice: whoever told it did not hear that it was taken. */
async function storedAlready(orm: Orm, events: readonly StoredEvent[]): Promise<Set<string>> {
  const keys = events.map(({ id, time, tenantId }) => ({
    id,
    time: new Date(time).toISOString(),
    tenant_id: tenantId,
  }));
  const rows = await rowsOf(
    orm,
    // The offset keeps the planner from a join, for which it would read all events of the week as long as they are not too many.
    sql`select given.id::text as id from ${recordset(keys, 'id uuid, time timestamptz, tenant_id text')} where exists (select from dragon.events e where e.tenant_id = given.tenant_id and e.time = given.time and e.id = given.id offset 0)`,
  );
  return new Set(rows.map(({ id }) => String(id)));
}
