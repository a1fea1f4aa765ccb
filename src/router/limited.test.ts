import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type CoreServer, startCore } from '../../test/support/core.ts';
import {
  type RecordingSink,
  type Respond,
  recordingLogger,
  request,
  turns,
} from '../../test/support/fakes.ts';
import type { Allowances } from '../coordination/allowances.ts';
import { createMemoryCoordination } from '../coordination/memory/index.ts';
import { Limits } from '../limits/limits.ts';
import { readLimits } from '../limits/rules.ts';
import { resultText } from '../protocol/envelope.ts';
import { Code } from '../protocol/errors.ts';

const respond: Respond = ({ id }) => resultText(id, '{"content":[]}');

const ONE: CoreServer = {
  tools: ['get', 'set', 'hang'],
  prompts: ['p'],
  resources: ['one:///r'],
  respond: (asked, sink) => (asked.text.includes('"hang"') ? undefined : respond(asked, sink)),
};
const TWO: CoreServer = { tools: ['get'], resources: ['two:///r'], respond };

/** `hold`: asks somebody else, who answers when the test says so. */
async function start(t: TestContext, rules: readonly object[], held?: Allowances) {
  const settings = readLimits(JSON.stringify({ rules }));
  assert.ok(!('problem' in settings), JSON.stringify(settings));
  const coordination = createMemoryCoordination({ nodeId: 'n1' });
  const limits = new Limits({
    ...coordination,
    ...(held === undefined ? {} : { allowances: held }),
    settings,
    hasPeers: held !== undefined,
    logger: recordingLogger(),
  });
  t.after(() => limits.close());
  return startCore(t, { one: ONE, two: TWO }, { callLimits: limits });
}

function cancel({ router, session }: Awaited<ReturnType<typeof start>>, requestId: number): void {
  const method = 'notifications/cancelled';
  const params = { requestId };
  const text = JSON.stringify({ jsonrpc: '2.0', method, params });
  router.notification(session, { kind: 'notification', method, params, text });
}

const isLimited = ({ failures: [failure] }: RecordingSink) =>
  failure?.code === Code.TooManyRequests && (failure.retryAfter ?? 0) > 0;

test('tools, prompts and resources count, lists do not; a refused call reaches no server', async (t) => {
  const core = await start(t, [{ calls: 3, seconds: 1000 }]);
  const calls = [
    () => core.call('one__get'),
    () => core.ask(request('prompts/get', { name: 'one__p' })),
    () => core.ask(request('resources/read', { uri: 'one:///r' })),
  ];
  for (const list of ['tools/list', 'prompts/list', 'ping']) await core.ask(request(list, {}));
  for (const call of calls) assert.ok(!isLimited(await call()));
  const requests = () => core.link('one')?.requests.length;
  const before = requests();
  for (const call of calls) assert.ok(isLimited(await call()));
  assert.equal(requests(), before);
  assert.equal(core.counted.filter(({ outcome }) => outcome === 'limited').length, 3);
});

test('exec_tool counts as what it calls, and the other built-in tools are those of dragon', async (t) => {
  const core = await start(t, [
    { servers: ['one'], tools: ['get'], calls: 1, seconds: 1000 },
    { servers: ['dragon'], tools: ['list_mcp_servers'], calls: 1, seconds: 1000 },
    { servers: ['dragon'], tools: ['exec_tool'], calls: 1, seconds: 1000 },
  ]);
  const exec = (server: string, tool: string) => core.call('exec_tool', { server, tool, arguments: {} });
  assert.ok(!isLimited(await exec('one', 'get')));
  assert.ok(isLimited(await core.call('one__get')));
  assert.ok(isLimited(await exec('one', 'get')));
  assert.ok(!isLimited(await exec('one', 'set')));
  assert.ok(!isLimited(await exec('two', 'get')));
  assert.ok(!isLimited(await core.call('list_mcp_servers')));
  assert.ok(isLimited(await core.call('list_mcp_servers')));
});

test('a read that is tried at several servers counts once, for the rules of each', async (t) => {
  const core = await start(t, [
    { calls: 2, seconds: 1000 },
    { servers: ['two'], calls: 1, seconds: 1000 },
  ]);
  const read = () => core.ask(request('resources/read', { uri: 'nobody:///x' }));
  assert.ok(!isLimited(await read()));
  assert.ok(isLimited(await read()));
  assert.ok(!isLimited(await core.call('one__get')));
  assert.ok(isLimited(await core.call('one__get')));
});

test('a slot is free again when its call is answered, fails, or is cancelled', async (t) => {
  const core = await start(t, [{ atOnce: 1 }]);
  for (let n = 0; n < 3; n++) assert.ok(!isLimited(await core.call('one__get')));
  await core.call('two__nope');
  await core.ask(request('resources/read', { uri: 'nobody:///x' }));
  assert.ok(!isLimited(await core.call('list_mcp_servers')));
  const hanging = core.send(request('tools/call', { name: 'one__hang', arguments: {} }, 77));
  await turns();
  assert.ok(isLimited(await core.call('one__get')));
  cancel(core, 77);
  await turns();
  assert.equal(hanging.failures[0]?.code, Code.Cancelled);
  assert.ok(!isLimited(await core.call('one__get')));
});

test('a call that waits for a token can be cancelled, and takes none then', async (t) => {
  const asked: PromiseWithResolvers<{ count: number; waitMs: number }>[] = [];
  const core = await start(t, [{ calls: 1, seconds: 1000 }], {
    take: (_id, _rate, want) => {
      if (want === 0 || asked.length > 0) return Promise.resolve({ count: 0, waitMs: 1000 });
      const answer = Promise.withResolvers<{ count: number; waitMs: number }>();
      asked.push(answer);
      return answer.promise;
    },
    hold: async () => 0,
  });
  const waiting = core.send(request('tools/call', { name: 'one__get', arguments: {} }, 77));
  await turns();
  const twin = core.send(request('tools/call', { name: 'one__get', arguments: {} }, 77));
  await turns();
  assert.equal(twin.failures[0]?.code, Code.InvalidRequest);
  cancel(core, 77);
  await turns();
  assert.equal(waiting.failures[0]?.code, Code.Cancelled);
  asked[0]?.resolve({ count: 1, waitMs: 0 });
  await turns();
  // Its token is there for the next.
  assert.ok(!isLimited(await core.call('one__get')));
  assert.ok(isLimited(await core.call('one__get')));
});
