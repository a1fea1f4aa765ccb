import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { Gateway } from '../support/gateway.ts';
import { countOf, inbox } from '../support/inbox.ts';
import { listNames } from '../support/lists.ts';
import { addMarked, connect, pidOf, toolText, untilGone } from '../support/marked-server.ts';
import { isRunning, processesWith } from '../support/processes.ts';
import type { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { echoStdio, hostileStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

const GREETING = 'stdio://greeting';

describe('servers that are processes', () => {
  let gateway: Gateway;

  before(async () => {
    gateway = await Gateway.start({ env: { DRAGON_CALL_TIMEOUT_MS: '20000' } });
  });
  after(() => gateway?.stop());

  it('start when somebody first wants something of them', async (t) => {
    const server = await addMarked(gateway, 'lazy');
    assert.deepEqual(
      await gateway.manage('GetMcpServer', { server: { name: 'lazy' } }).then(() => server.processes()),
      [],
    );
    const client = await connect(t, gateway);
    assert.ok((await listNames(client)).includes('lazy__pid'));
    assert.deepEqual(server.processes(), [await pidOf(client, 'lazy')]);
  });

  it('are one for all sessions whose clients can do the same', async (t) => {
    const server = await addMarked(gateway, 'shared');
    const able = { capabilities: { elicitation: {} } };
    const clients = await Promise.all([
      ...[1, 2, 3].map(() => connect(t, gateway)),
      ...[1, 2].map(() => connect(t, gateway, able)),
    ]);
    const pids = await Promise.all(clients.map((client) => pidOf(client, 'shared')));
    assert.equal(new Set(pids.slice(0, 3)).size, 1);
    assert.equal(new Set(pids.slice(3)).size, 1);
    assert.notEqual(pids[0], pids[3], 'a server is told once and for all what its client can do');
    assert.deepEqual(server.processes().toSorted(), [pids[0], pids[3]].toSorted());
    await Promise.all(clients.map((client) => client.delete()));
    assert.equal(server.processes().length, 2, 'sessions come and go, the process stays for a while');
  });

  it('answer each session its own, though all use the same ids and tokens', async (t) => {
    await addMarked(gateway, 'mixed');
    const clients = await Promise.all(Array.from({ length: 6 }, () => connect(t, gateway)));
    const work = clients.map(async (client, index) => {
      const steps = index + 1;
      const slow = client.request(
        'tools/call',
        { name: 'mixed__slow', arguments: { steps, stepMs: 2 }, _meta: { progressToken: 'token' } },
        { id: 1 },
      );
      const echoes = Array.from({ length: 20 }, (_, time) =>
        client.callTool('mixed__echo', { text: `${index}.${time}` }, { id: 2 + time }),
      );
      const { messages, message } = await slow;
      assert.equal(textOf(message!), `${steps} steps`);
      const progress = messages.slice(0, -1).map(({ params }) => params);
      const expected = Array.from({ length: steps }, (_, at) => ({
        progressToken: 'token',
        progress: at + 1,
        total: steps,
      }));
      assert.deepEqual(progress, expected);
      for (const [time, echo] of (await Promise.all(echoes)).entries()) {
        assert.equal(echo.message!.id, 2 + time);
        assert.equal(textOf(echo.message!), `${index}.${time}`);
      }
    });
    await Promise.all(work);
  });

  it('tell of a resource those who asked, until the last has had enough', async (t) => {
    const { id } = await addMarked(gateway, 'news');
    // The gateway has older servers that list the same URI: this one's is known by an alias.
    const uri = `dragon://${id}/${GREETING}`;
    const clients = await Promise.all([1, 2, 3].map(() => connect(t, gateway)));
    const [first, second, third] = clients as [RawClient, RawClient, RawClient];
    const [heard1, heard2, heard3] = await Promise.all(
      clients.map(async (client) => inbox(await client.stream())),
    );
    const updates = () =>
      [heard1, heard2, heard3].map((heard) => countOf(heard!, 'notifications/resources/updated'));
    const subscription = async (client: RawClient, method: string) =>
      assert.deepEqual((await client.request(`resources/${method}`, { uri })).message!.result, {});
    await toolText(third, 'news__echo', { text: 'here' });
    await subscription(first, 'subscribe');
    await subscription(second, 'subscribe');
    assert.equal(await toolText(first, 'news__touch', { uri: GREETING }), 'somebody listens');
    await until(() => updates()[0] === 1 && updates()[1] === 1, { what: 'an update for both' });
    assert.deepEqual(heard1!.at(-1)!.params, { uri });

    await subscription(first, 'unsubscribe');
    assert.equal(await toolText(first, 'news__touch', { uri: GREETING }), 'somebody listens');
    await until(() => updates()[1] === 2, { what: 'an update for the other' });
    assert.deepEqual(updates(), [1, 2, 0]);

    await second.delete();
    await until(async () => (await toolText(first, 'news__touch', { uri: GREETING })) === 'nobody listens', {
      what: 'the end of the subscription with the session of the last',
    });
  });

  it('start again after a crash, with growing pauses', async (t) => {
    await addMarked(gateway, 'mortal');
    const client = await connect(t, gateway);
    const first = await pidOf(client, 'mortal');
    const crash = await client.callTool('mortal__exit', { code: 7 });
    assert.match(crash.message!.error!.message, /^Server "mortal" exited with code 7\b/);
    const second = await pidOf(client, 'mortal');
    assert.notEqual(second, first);
    await until(() => !isRunning(first), { what: 'its end' });
    assert.ok((await listNames(client)).includes('mortal__pid'));

    const refused = await until(
      async () => {
        const { message, headers } = await client.callTool('mortal__exit', { code: 7 });
        const text = message!.error!.message;
        assert.match(text, /^Server "mortal" /);
        return / in \d+ s|for \d+ s/.test(text) && headers;
      },
      { what: 'a pause that is told rather than waited for' },
    );
    assert.match(String(refused['retry-after']), /^\d+$/);
    await until(async () => (await client.callTool('mortal__pid')).message!.result, {
      what: 'another start',
      timeoutMs: 30_000,
    });
  });

  it('that cannot start are not tried without end', async (t) => {
    const server = await addMarked(gateway, 'stillborn', hostileStdio('crash-at-start'));
    const client = await connect(t, gateway);
    const answers = await Promise.all(Array.from({ length: 30 }, () => client.callTool('stillborn__echo')));
    for (const { message } of answers) assert.match(message!.error!.message, /^Server "stillborn" /);
    const tries = gateway.logged('downstream process ended').filter((line) => line['server'] === 'stillborn');
    assert.ok(tries.length <= 10, `${tries.length} starts`);
    const unknown = await addMarked(gateway, 'unknown', { command: '/no/such/program', args: [] });
    await until(async () => (await client.callTool('unknown__x')).text.includes('there is no command'), {
      what: 'the reason of the failure',
    });
    for (const { id, processes } of [server, unknown]) {
      await gateway.manage('DeleteMcpServer', { server: { id } });
      await untilGone(processes);
    }
  });

  it('end when they are removed, and the calls with them', async (t) => {
    const server = await addMarked(gateway, 'leaving');
    const client = await connect(t, gateway);
    const [pid] = [await pidOf(client, 'leaving')];
    const held = client.callTool('leaving__hold');
    await until(
      async () => (await client.callTool('leaving__calls')).message!.result.structuredContent.held === 1,
      { what: 'the call to be held' },
    );
    await gateway.manage('DeleteMcpServer', { server: { id: server.id } });
    const { message } = await held;
    assert.ok(message!.error, JSON.stringify(message));
    await untilGone(server.processes);
    // Its environment is gone a moment before it is.
    await until(() => !isRunning(pid), { what: 'its end' });
    assert.match((await client.callTool('leaving__pid')).message!.error!.message, /Unknown tool/);
  });

  it('are replaced when they are changed', async (t) => {
    const server = await addMarked(gateway, 'changing', undefined, { DRAGON_TEST_COLOUR: 'red' });
    const client = await connect(t, gateway);
    assert.equal(await toolText(client, 'changing__env', { name: 'DRAGON_TEST_COLOUR' }), 'red');
    const before = await pidOf(client, 'changing');
    const mark = randomUUID();
    const env = { DRAGON_TEST_COLOUR: 'blue', DRAGON_TEST_MARK: mark };
    await gateway.manage('UpdateMcpServer', {
      server: { id: server.id },
      changes: { stdio: { ...echoStdio('new'), env } },
    });
    // At once: the call waits for the new process.
    assert.equal(await toolText(client, 'changing__env', { name: 'DRAGON_TEST_COLOUR' }), 'blue');
    await untilGone(server.processes);
    await until(() => !isRunning(before), { what: 'its end' });
    await gateway.manage('UpdateMcpServer', { server: { id: server.id }, changes: { enabled: false } });
    await untilGone(() => processesWith(mark));
  });

  it('see nothing of the gateway’s own environment', async (t) => {
    await addMarked(gateway, 'curious');
    const client = await connect(t, gateway);
    for (const name of ['DRAGON_DATA_DIR', 'DRAGON_LOG_FORMAT', 'DATABASE_URL']) {
      assert.equal(await toolText(client, 'curious__env', { name }), '', name);
    }
    assert.notEqual(await toolText(client, 'curious__env', { name: 'PATH' }), '');
  });

  it('have what they print logged, without their secrets', async (t) => {
    const secret = 'sk-very-secret-0815';
    await addMarked(gateway, 'talkative', undefined, { API_KEY: secret, LEVEL: 'on' });
    const client = await connect(t, gateway);
    await toolText(client, 'talkative__print', { text: `my key is ${secret}, and ${secret} again, on` });
    const printed = () =>
      gateway.logged('downstream stderr').filter((line) => line['server'] === 'talkative');
    await until(() => printed().length > 0, { what: 'the line in the log' });
    assert.equal(printed()[0]!['stderr'], 'my key is ***, and *** again, on');
    const crash = await client.callTool('talkative__exit', { code: 1 });
    assert.match(crash.message!.error!.message, /exited with code 1; its last words: my key is \*\*\*, and/);
    assert.ok(!gateway.output.includes(secret));
  });
});
