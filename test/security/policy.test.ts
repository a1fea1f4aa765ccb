import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { dragon } from '../support/cli.ts';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const inputSchema = { type: 'object' };
const TOOLS = [
  { name: 'look', inputSchema, annotations: { readOnlyHint: true } },
  { name: 'wipe', inputSchema },
  { name: 'pay', inputSchema, annotations: { destructiveHint: false } },
];

const POLICY = {
  rules: [
    { name: 'support only looks', effect: 'deny', roles: ['support'], annotations: { destructive: true } },
    { effect: 'deny', exceptRoles: ['admin'], tools: ['pay'], when: 'args.amount > 10' },
  ],
};

const SERVICE = 'dragon.turnstile.api.v1.TurnstileService';

const as = (user: string, ...groups: readonly string[]) => ({
  'x-forwarded-user': user,
  ...(groups.length === 0 ? {} : { 'x-forwarded-groups': groups.join(',') }),
});

describe('policy', { timeout: 120_000 }, () => {
  let gateway: Gateway;
  let server: CountingServer;
  let folder: string;
  let file: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'dragon-policy-'));
    file = join(folder, 'policy.json');
    await writeFile(file, JSON.stringify(POLICY));
    server = await CountingServer.start({ name: 'one', tools: TOOLS });
    gateway = await Gateway.start({
      env: {
        DRAGON_AUTH: 'proxy',
        DRAGON_HOST: '127.0.0.1',
        DRAGON_PROXY_ADDRESSES: '127.0.0.1',
        DRAGON_ALLOWED_NETWORKS: 'loopback',
        DRAGON_POLICY: file,
      },
    });
    const response = await fetch(`${gateway.grpcUrl}/${SERVICE}/CreateMcpServer`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...as('ada') },
      body: JSON.stringify({ name: 'one', url: server.url }),
    });
    assert.equal(response.status, 200, await response.text());
  });

  after(async () => {
    await gateway?.stop();
    await server?.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function legacy(t: TestContext, ...groups: readonly string[]): Promise<RawClient> {
    const client = new RawClient(gateway.mcpUrl, { headers: as('ada', ...groups) });
    t.after(() => client.close());
    await client.initialize();
    return client;
  }

  function modern(t: TestContext, ...groups: readonly string[]): ModernClient {
    const client = new ModernClient(gateway.mcpUrl, { headers: as('ada', ...groups) });
    t.after(() => client.close());
    return client;
  }

  const calls = () => server.seen.filter(({ message }) => message?.method === 'tools/call').length;
  const rpc = (method: string, params: object = {}) => ({ jsonrpc: '2.0', id: 1, method, params });
  const ownOf = (message: { result?: unknown } | undefined) =>
    (message as { result: { tools: { name: string }[] } }).result.tools
      .map(({ name }) => name)
      .filter((name) => name.startsWith('one__'));

  it('shows each role its tools, in both eras', async (t) => {
    for (const [groups, expected] of [
      [[], ['one__look', 'one__wipe', 'one__pay']],
      [['support'], ['one__look', 'one__pay']],
    ] as const) {
      const old = await legacy(t, ...groups);
      assert.deepEqual(ownOf((await old.post(rpc('tools/list'))).message), expected);
      const listed = await modern(t, ...groups).request('tools/list');
      assert.deepEqual(ownOf(listed.message), expected);
    }
  });

  it('answers a call of a denied tool as one of a tool that never was, in both eras', async (t) => {
    const old = await legacy(t, 'support');
    const called = async (name: string) => {
      const answers = [
        await old.post(rpc('tools/call', { name, arguments: {} })),
        await modern(t, 'support').callTool(name),
      ];
      return answers.map(({ status, message }) => [
        status,
        JSON.stringify(message?.error).replaceAll(name, 'X'),
      ]);
    };
    const before = calls();
    assert.deepEqual(await called('one__wipe'), await called('one__nope'));
    assert.equal(calls(), before);
    const look = await old.post(rpc('tools/call', { name: 'one__look', arguments: {} }));
    assert.ok(look.message?.result !== undefined);
    assert.equal(calls(), before + 1);
  });

  it('looks at the arguments, in both eras', async (t) => {
    const call = (amount: number) => rpc('tools/call', { name: 'one__pay', arguments: { amount } });
    const isError = (message: { result?: unknown } | undefined) =>
      (message as { result: { isError?: boolean } }).result.isError === true;
    const old = await legacy(t);
    assert.equal(isError((await old.post(call(10))).message), false);
    assert.equal(isError((await old.post(call(11))).message), true);
    assert.equal(isError((await modern(t).callTool('one__pay', { amount: 11 })).message), true);
    const admin = await legacy(t, 'admin');
    assert.equal(isError((await admin.post(call(11))).message), false);
  });

  it('gives a session to nobody of other roles, not even to the same user', async (t) => {
    const full = await legacy(t);
    const list = rpc('tools/list');
    assert.equal((await full.post(list)).status, 200);
    const other = new RawClient(gateway.mcpUrl, { headers: as('ada', 'support') });
    t.after(() => other.close());
    other.sessionId = full.sessionId;
    assert.equal((await other.post(list)).status, 404);
    assert.equal((await other.delete()).status, 404);
    assert.equal((await full.post(list)).status, 200);
  });

  it('tells admins in the event log, and those that were denied nothing', async (t) => {
    const old = await legacy(t, 'support');
    await old.callTool('one__wipe');
    await old.callTool('one__never');
    const eventsOf = async (headers: Record<string, string>, filter: object) => {
      const response = await fetch(`${gateway.grpcUrl}/${SERVICE}/GetEventLog`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: JSON.stringify({ filter }),
      });
      const { events = [] } = (await response.json()) as { events?: Record<string, unknown>[] };
      return events;
    };
    const admin = as('boss', 'admin');
    await until(
      async () => {
        await old.callTool('one__wipe');
        return (await eventsOf(admin, { type: 'TYPE_DENIAL', tool: 'one__wipe' })).length > 1;
      },
      { what: 'events of what was denied' },
    );
    const [denial] = await eventsOf(admin, { type: 'TYPE_DENIAL', tool: 'one__wipe' });
    assert.deepEqual([denial?.['userId'], denial?.['detail']], [undefined, { user: 'ada' }]);
    assert.deepEqual(await eventsOf(as('ada'), { type: 'TYPE_DENIAL' }), []);
    assert.deepEqual(await eventsOf(as('ada'), { type: 'TYPE_CALL', outcome: 'OUTCOME_DENIED' }), []);
    const about = async (tool: string) => {
      const [event] = await eventsOf(as('ada'), { type: 'TYPE_CALL', tool });
      return [event?.['outcome'], event?.['server'], event?.['detail']];
    };
    assert.deepEqual(await about('one__wipe'), await about('one__never'));
  });

  it('leaves management to its own rules: an owner sees all that a server lists', async () => {
    const response = await fetch(`${gateway.grpcUrl}/${SERVICE}/ListTools`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...as('ada', 'support') },
      body: JSON.stringify({ server: { name: 'one' } }),
    });
    const { tools } = (await response.json()) as { tools: { publicName: string }[] };
    assert.deepEqual(
      tools.map(({ publicName }) => publicName),
      ['one__look', 'one__pay', 'one__wipe'],
    );
  });

  it('is tried out by a command, without a gateway', async () => {
    const tried = (...args: readonly string[]) =>
      dragon(['policy', 'test', '--file', file, '--user', 'ada', '--server', 'one', ...args]);
    const denied = await tried('--role', 'support', '--tool', 'wipe');
    assert.deepEqual([denied.code, denied.out], [1, 'deny: rule 1 (support only looks)\n']);
    const allowed = await tried('--role', 'support', '--tool', 'look', '--hint', 'readOnlyHint');
    assert.deepEqual([allowed.code, allowed.out], [0, 'allow: the default, since no rule matches\n']);
    assert.equal((await tried('--tool', 'pay', '--args', '{"amount":11}')).code, 1);
    assert.equal((await tried('--tool', 'pay', '--args', '{"amount":1}')).code, 0);
    assert.equal((await tried()).code, 2);
    const checked = await dragon(['policy', 'check', '--file', file]);
    assert.deepEqual([checked.code, checked.out.slice(0, 21)], [0, 'The policy is right: ']);
    await writeFile(file, JSON.stringify({ rules: [{ effect: 'deny', when: 'arg.x' }] }));
    const wrong = await dragon(['policy', 'check', '--file', file]);
    assert.equal(wrong.code, 2);
    assert.match(wrong.err, /rule 1, when: there is no arg; there are /);
  });
});
