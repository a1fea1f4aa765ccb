import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { markOf } from '../../src/coordination/session-mark.ts';
import { dragonFor } from '../support/cli.ts';
import { CountingServer } from '../support/counting-http.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

let gateway: Gateway;
let server: CountingServer;
let run: ReturnType<typeof dragonFor>;

before(async () => {
  [gateway, server] = await Promise.all([
    startGateway({ env: { DRAGON_LOG_LEVEL: 'debug' } }),
    CountingServer.start(),
  ]);
  await gateway.addServer({ name: 'one', url: server.url });
  run = dragonFor(gateway);
});

after(async () => {
  await gateway?.stop();
  await server?.close();
});

async function ok(...args: string[]): Promise<string> {
  const { code, out, err } = await run(args);
  assert.equal(code, 0, `${args.join(' ')}\n${out}${err}`);
  return out;
}

test('nodes are listed', async () => {
  assert.match(await ok('nodes'), /^NODE +STATE +ADDRESS +VERSION +UP .*\n\S+ +ready +127\.0\.0\.1:\d+ /);
  const [node] = JSON.parse(await ok('nodes', '--json'));
  assert.deepEqual([node.state, node.sessionCount], ['STATE_READY', 0]);
});

test('sessions are listed by a name that is not their id, and are over when they are ended', async (t) => {
  assert.match(await ok('sessions'), /^No sessions\./);
  const client = new RawClient(gateway.mcpUrl);
  t.after(() => client.close());
  await client.initialize();
  await until(
    async () => !(await client.callTool('one__echo', { text: 'hi' })).text.includes('Unknown tool'),
    {
      what: 'the tool',
    },
  );
  const stream = await client.stream();
  const id = client.sessionId!;
  const out = await ok('sessions', 'list', '--limit', '5');
  assert.match(out, new RegExp(`^${markOf(id)} +local .* 1 +0 +\\S+ +\\S+$`, 'm'));
  assert.ok(!out.includes(id));
  const [shown] = JSON.parse(await ok('sessions', '--user', 'local', '--json'));
  assert.deepEqual([shown.id, shown.userId, shown.streamCount], [markOf(id), 'local', 1]);
  assert.deepEqual(shown.nodes, [shown.streamNode]);
  assert.deepEqual(JSON.parse(await ok('sessions', '--user', 'nobody', '--json')), []);

  assert.equal((await run(['sessions', 'end', 'unknown'])).code, 1);
  assert.equal(
    (await run(['sessions', 'end', id])).code,
    1,
    'the id of a session is none to the management API',
  );
  const ended = server.seen.filter(({ httpMethod }) => httpMethod === 'DELETE').length;
  assert.match(await ok('sessions', 'end', markOf(id)), /^Ended session/);
  assert.equal(await stream.next(), undefined);
  assert.equal((await client.callTool('one__echo', { text: 'hi' })).status, 404);
  await until(() => server.seen.filter(({ httpMethod }) => httpMethod === 'DELETE').length > ended, {
    what: 'the end of the session with the server',
  });
  assert.match(await ok('sessions'), /^No sessions\./);
  assert.equal((await run(['sessions', 'end', markOf(id)])).code, 1);
});

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';

test('a call is a line of the log at the level debug, by session and trace, without what was asked', async (t) => {
  const client = new RawClient(gateway.mcpUrl);
  t.after(() => client.close());
  await client.initialize();
  await client.request('tools/call', {
    name: 'one__echo',
    arguments: { text: 'private-words' },
    _meta: { traceparent: `00-${TRACE}-00f067aa0ba902b7-01` },
  });
  const lines = () => gateway.logged('a request is over').filter(({ trace_id }) => trace_id === TRACE);
  await until(() => lines().length > 0, { what: 'the line' });
  const [line] = lines();
  assert.equal(lines().length, 1);
  assert.deepEqual(
    [line?.['session'], line?.['tool'], line?.['server'], line?.['outcome'], line?.['level']],
    [markOf(client.sessionId!), 'echo', 'one', 'ok', 'debug'],
  );
  assert.equal(typeof line?.['ms'], 'number');
  assert.doesNotMatch(gateway.output, /private-words/);
});

test('a user is recorded until it is stopped, and that is in the event log', async (t) => {
  const client = new RawClient(gateway.mcpUrl);
  t.after(() => client.close());
  await client.initialize();
  await client.callTool('one__echo', { text: 'before' });
  const { id } = JSON.parse(await ok('record', 'local', '--minutes', '5', '--json'));
  assert.equal((await run(['record', 'local'])).code, 1);
  assert.equal((await run(['record', 'local', '--minutes', '0'])).code, 2);
  await client.callTool('one__echo', { text: 'during', password: 'hidden-words' });
  const shown = await ok('recordings', 'show', id);
  assert.match(shown, /tools\/call .* session \S{24}\n {2}> .*during.*\n {2}< .*during/);
  assert.doesNotMatch(shown, /before|hidden-words/);
  const followed = run(['recordings', 'show', id, '--follow', '--json']);
  await client.callTool('one__echo', { text: 'later' });
  assert.match(await ok('recordings'), new RegExp(`^${id} +local +local `, 'm'));
  assert.match(await ok('recordings', 'stop', id), /^Stopped recording local/);
  await client.callTool('one__echo', { text: 'after' });
  const { code, out } = await followed;
  assert.equal(code, 0);
  const requests = out
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).request as string);
  assert.equal(requests.length, 2);
  assert.match(requests.join(), /during.*later/s);
  assert.equal((await run(['recordings', 'show', 'unknown'])).code, 1);
  const events = await until(
    async () => {
      const found = JSON.parse(await ok('events', '--type', 'management', '--json')) as {
        action: string;
        outcome: string;
        detail?: object;
      }[];
      return found.some(({ action }) => action === 'StopRecording') && found;
    },
    { what: 'the event' },
  );
  const started = events.find(
    ({ action, outcome }) => action === 'StartRecording' && outcome === 'OUTCOME_OK',
  );
  assert.deepEqual(started?.detail, { user: 'local' });
  // Once, though it was shown twice, and followed.
  assert.deepEqual(
    events.flatMap(({ action, detail }) => (action === 'GetRecording' ? [detail] : [])),
    [{ id, user: 'local' }],
  );
});
