import { sql } from './drizzle.ts';
import { recordset, rowsOf } from './event-rows.ts';
import type { Engine, Orm } from './orm.ts';
import { run } from './run.ts';

const WEEK_MS = 7 * 24 * 3_600_000;

/** The epoch was a Thursday; weeks begin on Mondays. */
const FIRST_MONDAY_MS = 4 * 24 * 3_600_000;

const NAME = /^events_(\d{4})(\d\d)(\d\d)$/;

/** Any number, always the same: one node makes and drops parts at a time. */
const LOCK = 7_215_634_102_938_472n;

/** Parts of the table of events, one a week: made before they are needed, dropped as a whole. */
export class EventPartitions {
  readonly #engine: Engine;
  /** Weeks that were seen to have a part, by their first millisecond. */
  readonly #known = new Set<number>();

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** Makes sure that there is room for events of these times. */
  async ensure(times: Iterable<number>): Promise<void> {
    const missing = new Set<number>();
    for (const time of times) {
      const week = weekOf(time);
      if (!this.#known.has(week)) missing.add(week);
    }
    for (const week of missing) {
      await run(this.#engine, (orm) => make(orm, week));
      this.#known.add(week);
    }
  }

  /** Somebody has dropped a part that was known. */
  forget(): void {
    this.#known.clear();
  }

  /** Drops the parts that hold nothing but what is older. Resolves with how many. */
  async drop(oldest: number): Promise<number> {
    const weeks = await run(this.#engine, weeksThere);
    const old = weeks.filter((week) => week + WEEK_MS <= oldest).sort((a, b) => a - b);
    for (const week of old) {
      this.#known.delete(week);
      await run(this.#engine, (orm) => orm.transaction((transaction) => dropWeek(transaction, week)));
    }
    return old.length;
  }
}

function weekOf(time: number): number {
  return Math.floor((time - FIRST_MONDAY_MS) / WEEK_MS) * WEEK_MS + FIRST_MONDAY_MS;
}

function nameOf(week: number): string {
  return `events_${new Date(week).toISOString().slice(0, 10).replaceAll('-', '')}`;
}

async function weeksThere(orm: Orm): Promise<number[]> {
  const rows = await rowsOf(
    orm,
    sql`select c.relname as name from pg_inherits i join pg_class c on c.oid = i.inhrelid where i.inhparent = 'dragon.events'::regclass`,
  );
  return rows.flatMap(({ name }) => {
    const [, year, month, day] = NAME.exec(String(name)) ?? [];
    return year === undefined ? [] : [Date.parse(`${year}-${month}-${day}T00:00:00Z`)];
  });
}

async function make(orm: Orm, week: number): Promise<void> {
  const name = nameOf(week);
  const [found] = await rowsOf(orm, sql`select to_regclass(${`dragon.${name}`}) is not null as there`);
  if (found?.['there'] === true) return;
  const from = new Date(week).toISOString();
  const to = new Date(week + WEEK_MS).toISOString();
  await orm.transaction(async (transaction) => {
    await transaction.execute(sql`select pg_advisory_xact_lock(${LOCK})`);
    await transaction.execute(
      sql.raw(
        `create table if not exists dragon.${name} partition of dragon.events for values from ('${from}') to ('${to}')`,
      ),
    );
  });
}

/**
 * Events are chained in the order in which they were stored, which is nearly that of their times. So what is left of a
 * chain begins after an anchor, and of the rows behind it that go nevertheless the hashes stay, as stubs.
 */
async function dropWeek(orm: Orm, week: number): Promise<void> {
  const part = sql.raw(`dragon.${nameOf(week)}`);
  const end = new Date(week + WEEK_MS).toISOString();
  await orm.execute(sql`select pg_advisory_xact_lock(${LOCK})`);
  const [found] = await rowsOf(
    orm,
    sql`select to_regclass(${`dragon.${nameOf(week)}`}) is not null as there`,
  );
  if (found?.['there'] !== true) return;
  await orm.execute(sql`select 1 from dragon.event_chains order by tenant_id for update`);
  const rows = await rowsOf(
    orm,
    sql`select c.tenant_id, coalesce((select min(e.ordinal) from dragon.events e where e.tenant_id = c.tenant_id and e.time >= ${end}::timestamptz), c.ordinal + 1)::float8 as first from dragon.event_chains c`,
  );
  const kept = recordset(rows, 'tenant_id text, first bigint');
  await orm.execute(
    sql`insert into dragon.event_stubs (tenant_id, ordinal, hash) select e.tenant_id, e.ordinal, e.hash from ${part} e join ${kept} on e.tenant_id = given.tenant_id where e.ordinal >= given.first on conflict do nothing`,
  );
  await orm.execute(
    sql`update dragon.event_chains c set anchor_ordinal = given.first - 1, anchor_hash = coalesce((select e.hash from ${part} e where e.tenant_id = c.tenant_id and e.ordinal = given.first - 1 limit 1), (select s.hash from dragon.event_stubs s where s.tenant_id = c.tenant_id and s.ordinal = given.first - 1), c.anchor_hash) from ${kept} where given.tenant_id = c.tenant_id and given.first - 1 > c.anchor_ordinal`,
  );
  await orm.execute(
    sql`delete from dragon.event_stubs s using ${kept} where s.tenant_id = given.tenant_id and s.ordinal < given.first`,
  );
  await orm.execute(sql`drop table ${part}`);
}
