/**
 * `npm run soak [-- --minutes 60]`: clients and servers come and go at one gateway for as long as is said, and what lives in
 * it is counted now and then. Exit code 1 where there is more at the end than after the first tenth of the time. What
 * `npm test` has of it is hygiene.test.ts.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { CountingServer } from '../support/counting-http.ts';
import type { Gateway } from '../support/gateway.ts';
import { listNames } from '../support/lists.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';
import { assertNothingLeft, COMMON, difference, startObserved, takeCensus } from './census.ts';
import { inLanes } from './lanes.ts';

const CLIENTS_AT_ONCE = 16;

/** A client that went away without a word is forgotten after so long. */
const SESSION_IDLE_MS = 30_000;

const ROWS = 10;

const { values } = parseArgs({ options: { minutes: { type: 'string', default: '60' } } });
const minutes = Number(values.minutes);
if (!(minutes > 0)) {
  console.error(`--minutes: expected a number above 0, got "${values.minutes}".`);
  process.exit(2);
}

const [gateway, json, sse] = await Promise.all([
  startObserved({
    DRAGON_PROBE_INTERVAL_MS: '0',
    DRAGON_SESSION_IDLE_MS: String(SESSION_IDLE_MS),
    DRAGON_EVENTS: 'on',
  }),
  CountingServer.start({ answers: 'json' }),
  CountingServer.start({ answers: 'sse' }),
]);
let visits = 0;
let calls = 0;

try {
  await gateway.addServer({ name: 'json', url: json.url });
  await gateway.addServer({ name: 'sse', url: sse.url });
  await soak(gateway);
} finally {
  await gateway.stop();
  await Promise.all([json.close(), sse.close()]);
}

async function soak(gateway: Gateway): Promise<void> {
  const rowMs = (minutes * 60_000) / ROWS;
  await churn(performance.now() + rowMs);
  await settled(gateway);
  const first = await takeCensus(gateway);
  row(gateway, first.heapUsed);
  let last = first;
  for (let at = 1; at < ROWS; at++) {
    await churn(performance.now() + rowMs);
    await settled(gateway);
    last = await takeCensus(gateway);
    row(gateway, last.heapUsed);
  }
  // What streams have carried is kept for a minute, for clients that come back. The embedded database remembers each file
  // that it has had, one for each 16 MB of its log.
  await assertNothingLeft(gateway, first, new Set([...COMMON, 'ClientStream', 'FSNode']));
  console.log(`nothing is left of ${visits} visits with ${calls} calls: ${difference(first, last)}`);
}

/** Clients visit until then, and each lane adds a server now and then and takes it away. */
async function churn(end: number): Promise<void> {
  const lanes = Array.from({ length: CLIENTS_AT_ONCE }, (_, lane) => lane);
  await inLanes(lanes, CLIENTS_AT_ONCE, async () => {
    while (performance.now() < end) await visit(visits++);
  });
  // The servers keep what they have seen, which is theirs to forget and not the gateway's.
  for (const server of [json, sse]) server.seen.length = 0;
}

/** What a client may do between its coming and its going. */
async function visit(number: number): Promise<void> {
  const client = new RawClient(gateway.mcpUrl);
  await client.initialize();
  const stream = number % 3 === 0 ? await client.stream() : undefined;
  const added =
    number % 100 === 0 ? await gateway.addServer({ name: `s${number}`, url: json.url }) : undefined;
  if (number % 5 === 0) await listNames(client);
  for (const server of ['json', 'sse', 'json']) {
    await client.callTool(`${server}__echo`, { text: `visit ${number}` });
    calls++;
  }
  if (number % 7 === 0) {
    const leaving = new AbortController();
    const call = client.callTool('sse__echo', { text: 'not waited for' }, { signal: leaving.signal });
    leaving.abort();
    await call.catch(() => undefined);
  }
  if (added !== undefined) await gateway.manage('DeleteMcpServer', { server: { id: added } });
  stream?.close();
  if (number % 4 !== 0) await client.delete();
  client.close();
}

/** Those who went without a word are forgotten. */
async function settled(gateway: Gateway): Promise<void> {
  const areGone = async () =>
    /^dragon_sessions 0$/m.test(await (await fetch(`${gateway.opsUrl}/metrics`)).text());
  await until(areGone, { what: 'the end of all sessions', timeoutMs: 10 * SESSION_IDLE_MS });
  const areStored = async () =>
    /^dragon_events_waiting 0$/m.test(await (await fetch(`${gateway.opsUrl}/metrics`)).text());
  await until(areStored, { what: 'all events to be stored', timeoutMs: 600_000 });
}

function row(gateway: Gateway, heapUsed: number): void {
  const status = readFileSync(`/proc/${gateway.process.pid}/status`, 'utf8');
  const rss = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1000;
  console.log(
    `${visits} visits, ${calls} calls: heap ${(heapUsed / 1e6).toFixed(2)} MB, resident ${rss.toFixed(0)} MB with what the count takes`,
  );
}
