/**
 * `node test/load/events.ts [--rate 500] [--seconds 60] [--nodes 3]`: calls at a rate to a cluster whose nodes are killed in
 * turn, with PostgreSQL made to start anew again and again, and then a reckoning: one event for each call that was
 * answered, by its id, and none twice.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import postgres from 'postgres';
import { assertExact, EVENT_ENV, MarkedLoad, reckon } from '../cluster/event-load.ts';
import { startCluster } from '../support/cluster.ts';

const { values } = parseArgs({
  options: {
    rate: { type: 'string', default: '500' },
    seconds: { type: 'string', default: '60' },
    nodes: { type: 'string', default: '3' },
  },
});
const rate = Number(values.rate);
const seconds = Number(values.seconds);
const nodes = Number(values.nodes);

/** Each calls about so often in a second. */
const CALLS_OF_ONE = 10;

const cluster = await startCluster({ nodes, env: EVENT_ENV });
try {
  const load = await MarkedLoad.start(
    cluster.mcpUrl,
    Math.ceil(rate / CALLS_OF_ONE),
    1000 / CALLS_OF_ONE - 1,
  );
  const started = performance.now();
  let kills = 0;
  let restarts = 0;
  let waits = 0;
  while (performance.now() - started < seconds * 1000) {
    const place = kills % nodes;
    await cluster.kill(place);
    kills++;
    await delay(1000);
    if (await restartPostgres()) restarts++;
    await cluster.revive(place);
    if (/PostgreSQL is not there yet/.test(cluster.nodes[place]?.output ?? '')) waits++;
    await delay(1000);
  }
  await load.stop();
  const took = (performance.now() - started) / 1000;
  const reckoning = await reckon(cluster, load);
  const { answered, stored, unanswered } = reckoning;
  console.log(
    `${answered} calls answered in ${took.toFixed(0)} s (${Math.round(answered / took)} a second); ${kills} nodes killed, ${restarts} restarts of PostgreSQL, which ${waits} of the nodes waited for`,
  );
  console.log(
    `${stored} events, ${reckoning.distinctIds} ids; ${reckoning.missing.length} calls without an event, ${reckoning.twice.length} with two`,
  );
  console.log(
    `${load.lost.size} calls came to nothing, and ${unanswered.length} of these have an event: their nodes died between the two`,
  );
  assertExact(reckoning);
} finally {
  await cluster.stop();
}

/** One of its processes is killed: PostgreSQL ends all connections, and recovers from its log as after a crash. */
async function restartPostgres(): Promise<boolean> {
  const sql = postgres(cluster.databaseUrl, { max: 1, onnotice: () => undefined });
  try {
    const [row] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    if (row === undefined) return false;
    process.kill(row.pid, 'SIGKILL');
    return true;
  } catch {
    // It is not back from the last time, or runs on another machine.
    return false;
  } finally {
    await sql.end({ timeout: 1 }).catch(() => undefined);
  }
}
