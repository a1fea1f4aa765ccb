/**
 * `npm run bench -- events [--rows N]`: how long the database takes for pages of the event log, with a million events in a
 * real PostgreSQL: for each filter the first page and the hundredth, planned and run, and whether an index was used. And
 * how fast events are stored.
 */
import { parseArgs } from 'node:util';
import { sql } from '../../src/db/drizzle.ts';
import { pageOfEvents, pageStatement } from '../../src/db/event-queries.ts';
import type { EventFilter } from '../../src/db/event-record.ts';
import { rowsOf } from '../../src/db/event-rows.ts';
import { DatabaseEventStore } from '../../src/db/event-store.ts';
import type { Engine } from '../../src/db/orm.ts';
import { openPostgres } from '../../src/db/postgres.ts';
import { storedEvent } from '../support/events.ts';
import { startPostgres } from '../support/postgres.ts';

const { values } = parseArgs({ options: { rows: { type: 'string', default: '1000000' } } });
const ROWS = Number(values.rows);
const DAYS = 90;
const DAY_MS = 24 * 3_600_000;
const PAGE_SIZE = 100;
const LAST_PAGE = 100;
const TIMES = 5;
const LIMIT_MS = 20;

const tenantId = 'default';
const now = Date.now();

const FILTERS: Readonly<Record<string, Omit<EventFilter, 'tenantId'>>> = {
  'none (an admin)': {},
  'a user': { userId: 'user-7' },
  'calls of a user': { userId: 'user-7', type: 'call' },
  'type call': { type: 'call' },
  'type management': { type: 'management' },
  server: { server: 'server-3' },
  tool: { tool: 'tool-33' },
  'outcome ok': { outcome: 'ok' },
  'outcome timeout': { outcome: 'timeout' },
  'outcome denied': { outcome: 'denied' },
  'server and outcome': { server: 'server-3', outcome: 'tool_error' },
  'a month of a server': { server: 'server-3', since: now - 60 * DAY_MS, until: now - 30 * DAY_MS },
  'a day': { since: now - 40 * DAY_MS, until: now - 39 * DAY_MS },
};

interface Measured {
  readonly planMs: number;
  readonly runMs: number;
  readonly indexes: readonly string[];
  readonly isWhole: boolean;
}

const postgres = await startPostgres();
const engine = await openPostgres(postgres.url);
try {
  await fill(engine);
  await report(engine);
  await storing(engine);
} finally {
  await engine.close();
  await postgres.stop();
}

/** Events of 50 users, 40 servers and 400 tools, evenly over the days; a tenant beside has a tenth as many. */
async function fill({ orm }: Engine): Promise<void> {
  const started = performance.now();
  const store = new DatabaseEventStore(engine);
  for (let day = 0; day <= DAYS; day++) await store.maintain(0, now - day * DAY_MS);
  for (const [tenant, count] of [
    [tenantId, ROWS],
    ['other', ROWS / 10],
  ] as const) {
    await orm.execute(sql`
      insert into dragon.events
      select gen_random_uuid(), ${new Date(now).toISOString()}::timestamptz - (${count}::int - n) * (${DAYS}::int * interval '1 day' / ${count}::int),
        ${tenant}::text, 'user-' || (random() * 49)::int,
        case when n % 50 = 0 then (array['session','management','key','server','node'])[1 + n / 50 % 5] else 'call' end,
        case when n % 50 = 0 then 'opened' else 'tools/call' end,
        case when n % 1000 = 0 then 'denied' when n % 150 = 0 then 'timeout' when n % 100 = 0 then 'protocol_error'
          when n % 33 = 0 then 'tool_error' else 'ok' end,
        'server-' || (random() * 39)::int, 'tool-' || (random() * 399)::int, 'session-' || n % 1000, 'node-' || n % 3,
        (random() * 100000)::int, 300, 500, null, n, 'not a hash of anything, and as long as one is'
      from generate_series(1, ${count}::int) n`);
  }
  await orm.execute(sql`vacuum analyze dragon.events`);
  const [size] = await rowsOf(
    orm,
    sql`select pg_size_pretty(sum(pg_total_relation_size(c.oid))) as size from pg_class c join pg_namespace s on s.oid = c.relnamespace where s.nspname = 'dragon' and c.relkind = 'r' and c.relname like 'events_%'`,
  );
  const seconds = Math.round((performance.now() - started) / 1000);
  console.log(`${ROWS} events of a tenant, and ${ROWS / 10} of another: ${size?.['size']} (${seconds} s)\n`);
}

async function report({ orm }: Engine): Promise<void> {
  console.log('| filter | first page, ms | page | that page, ms | index |\n|---|--:|--:|--:|---|');
  let slowest = 0;
  let isWhole = true;
  for (const [name, more] of Object.entries(FILTERS)) {
    const filter = { tenantId, ...more };
    let token: string | undefined;
    let page = 1;
    for (; page < LAST_PAGE; page++) {
      const { nextPageToken } = await pageOfEvents(orm, filter, PAGE_SIZE, token);
      if (nextPageToken === undefined) break;
      token = nextPageToken;
    }
    const first = await measure(filter, undefined);
    const last = await measure(filter, token);
    const ms = ({ planMs, runMs }: Measured) => planMs + runMs;
    slowest = Math.max(slowest, ms(first), ms(last));
    isWhole &&= first.isWhole && last.isWhole;
    const indexes = [...new Set([...first.indexes, ...last.indexes])].join(', ');
    console.log(`| ${name} | ${ms(first).toFixed(1)} | ${page} | ${ms(last).toFixed(1)} | ${indexes} |`);
  }
  const verdict = slowest < LIMIT_MS && isWhole ? 'kept' : 'NOT KEPT';
  console.log(`\nSlowest ${slowest.toFixed(1)} ms; below ${LIMIT_MS} ms and by an index alone: ${verdict}`);
  if (verdict !== 'kept') process.exitCode = 1;
}

async function measure(filter: EventFilter, token: string | undefined): Promise<Measured> {
  const plans: Measured[] = [];
  for (let n = 0; n < TIMES; n++) {
    const statement = pageStatement(filter, PAGE_SIZE, token);
    const [row] = await rowsOf(engine.orm, sql`explain (analyze, format json) ${statement}`);
    const told = row?.['QUERY PLAN'];
    const [plan] = (typeof told === 'string' ? JSON.parse(told) : told) as [Explained];
    const nodes = nodesOf(plan.Plan);
    plans.push({
      planMs: plan['Planning Time'],
      runMs: plan['Execution Time'],
      // Parts of the table have the name of the index with something around it.
      indexes: [...new Set(nodes.flatMap((node) => node['Index Name'] ?? []).map(familyOf))],
      isWhole: nodes.every((node) => node['Node Type'] !== 'Seq Scan' && node['Node Type'] !== 'Sort'),
    });
  }
  return plans.sort((a, b) => a.planMs + a.runMs - b.planMs - b.runMs)[Math.floor(TIMES / 2)] as Measured;
}

interface PlanNode {
  readonly 'Node Type': string;
  readonly 'Index Name'?: string;
  readonly Plans?: readonly PlanNode[];
}

interface Explained {
  readonly Plan: PlanNode;
  readonly 'Planning Time': number;
  readonly 'Execution Time': number;
}

function nodesOf(node: PlanNode): readonly PlanNode[] {
  return [node, ...(node.Plans ?? []).flatMap(nodesOf)];
}

function familyOf(name: string): string {
  return name.replace(/^events_\d+_/, '').replace(/_idx\d*$/, '');
}

async function storing(engine: Engine): Promise<void> {
  const store = new DatabaseEventStore(engine);
  const BATCH = 500;
  const BATCHES = 40;
  const cpu = process.cpuUsage();
  const started = performance.now();
  for (let n = 0; n < BATCHES; n++)
    await store.store(Array.from({ length: BATCH }, () => storedEvent({ tenantId: 'stored' })));
  const ms = performance.now() - started;
  const { user, system } = process.cpuUsage(cpu);
  const count = BATCH * BATCHES;
  const own = (user + system) / count;
  console.log(
    `\nStored: ${Math.round(count / (ms / 1000))} events a second in batches of ${BATCH}, ${own.toFixed(1)} µs of the gateway's processor each`,
  );
  const before = performance.now();
  const { checked } = await store.verify('stored');
  console.log(`Verified: ${Math.round(checked / ((performance.now() - before) / 1000))} events a second`);
}
