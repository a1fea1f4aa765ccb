import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dragonFor } from '../support/cli.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const BIN = fileURLToPath(new URL('../../bin/dragon.mjs', import.meta.url));

let gateway: Gateway;
let run: ReturnType<typeof dragonFor>;
let client: RawClient;

before(async () => {
  gateway = await startGateway();
  run = dragonFor(gateway);
  client = new RawClient(gateway.mcpUrl);
  await client.initialize();
});

after(async () => {
  client?.close();
  await gateway?.stop();
});

async function ok(...args: string[]): Promise<string> {
  const { code, out, err } = await run(args);
  assert.equal(code, 0, `${args.join(' ')}\n${out}${err}`);
  return out;
}

const listed = (what: RegExp, ...args: string[]) =>
  until(
    async () => {
      const out = await ok('events', ...args);
      return what.test(out) && out;
    },
    { what: `events like ${what}`, timeoutMs: 30_000 },
  );

test('events are listed, the newest first, and filtered', async () => {
  await client.callTool('echo', { message: 'hi' });
  await client.callTool('nothing');
  const out = await listed(/echo/);
  assert.match(out, /^TIME +WHAT +OUTCOME +USER +SERVER +ABOUT +TOOK\n/);
  assert.match(
    out,
    /tools\/call +protocol_error +local +nothing +[\d.]+ ms\n.*tools\/call +ok +local +dragon +echo/s,
  );
  assert.match(out, /session opened +ok +local/);
  assert.doesNotMatch(await ok('events', '--tool', 'echo'), /nothing/);
  assert.doesNotMatch(await ok('events', '--type', 'session'), /tools\/call/);
  assert.match(await ok('events', '--outcome', 'protocol_error', '--since', '1h'), /nothing/);
  assert.equal(await ok('events', '--outcome', 'timeout'), 'No events.\n');
  assert.equal(await ok('events', '--until', '2020-01-01'), 'No events.\n');
  const events = JSON.parse(await ok('events', '--limit', '2', '--json'));
  assert.equal(events.length, 2);
  assert.equal(events[0].tool, 'nothing');
});

test('what is wrong with the command line is told', async () => {
  for (const [args, what] of [
    [['--type', 'x'], '--type: expected call, session'],
    [['--since', 'yesterday'], '--since: expected a time'],
    [['--limit', '0'], '--limit: expected a whole number'],
    [['--follow', '--since', '1h'], '--follow shows'],
  ] as const) {
    const { code, err } = await run(['events', ...args]);
    assert.equal(code, 2, err);
    assert.ok(err.includes(what), err);
  }
});

test('who follows sees what happens', { timeout: 60_000 }, async (t) => {
  const env = { DRAGON_GRPC_PORT: new URL(gateway.grpcUrl).port, DRAGON_MANAGEMENT_PORT: '0' };
  const args = [BIN, 'events', '--follow', '--type', 'call', '--json'];
  const child = spawn(process.execPath, args, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
  });
  t.after(() => child.kill('SIGKILL'));
  let out = '';
  child.stdout.on('data', (chunk: Buffer) => {
    out += chunk;
  });
  await until(
    async () => {
      await client.callTool('echo', { message: 'followed' });
      return out.includes('\n');
    },
    { what: 'a line', timeoutMs: 30_000 },
  );
  const event = JSON.parse(out.slice(0, out.indexOf('\n')));
  assert.deepEqual([event.tool, event.outcome], ['echo', 'OUTCOME_OK']);
  child.kill('SIGINT');
  await once(child, 'exit');
});

test('the chain of events is verified', async () => {
  await listed(/echo/);
  assert.match(
    await ok('events', 'verify'),
    /^\d+ events are as they were\. The last is number \d+, its hash [\w-]{43}\.\n$/,
  );
});
