import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type CoreServer, startCore } from '../../test/support/core.ts';
import { type RecordingSink, type Respond, request, requestOf } from '../../test/support/fakes.ts';
import { aliasUri } from '../catalog/snapshot.ts';
import { Policy } from '../policy/policy.ts';
import { readPolicy } from '../policy/rules.ts';
import { resultText } from '../protocol/envelope.ts';
import { Code } from '../protocol/errors.ts';

const respond: Respond = ({ id }) => resultText(id, '{"content":[]}');

const FILES: CoreServer = {
  tools: ['read', 'remove', 'pay'],
  annotations: { read: { readOnlyHint: true } },
  prompts: ['open', 'secret'],
  resources: ['file:///open/a', 'file:///secret/a'],
  resourceTemplates: ['file:///{+path}', 'vault:///{+path}'],
  respond,
};
const HIDDEN: CoreServer = {
  tools: ['t'],
  prompts: ['p'],
  resources: ['hidden:///a', 'file:///open/a'],
  respond,
};

const RULES = [
  { effect: 'deny', servers: ['files'], tools: ['remove'] },
  { effect: 'deny', servers: ['files'], prompts: ['secret'] },
  { effect: 'deny', resources: ['file:///secret/*', 'vault:*'] },
  { name: 'small sums', effect: 'deny', tools: ['pay'], when: 'args.amount > 100' },
  { effect: 'deny', servers: ['hidden'] },
];

async function start(t: TestContext, rules: readonly object[] = RULES) {
  const read = readPolicy(JSON.stringify({ rules }));
  assert.ok(!('problem' in read), JSON.stringify(read));
  const core = await startCore(t, { files: FILES, hidden: HIDDEN }, { policy: await Policy.of(read) });
  const list = async (kind: string, of: string, key: string) => {
    const { result } = (await core.ask(request(`${kind}/list`, {}))).answered;
    return (result as Record<string, Record<string, string>[]>)[of]?.map((entry) => entry[key]) ?? [];
  };
  const exec = (server: string, tool: string, args: object = {}) =>
    core.call('exec_tool', { server, tool, arguments: args });
  return { ...core, list, exec };
}

const failureOf = ({ failures: [failure] }: RecordingSink) => [
  failure?.code,
  failure?.message,
  failure?.data,
];
const textOf = ({ answered }: RecordingSink) =>
  (answered.result as { content: { text: string }[] }).content[0]?.text ?? '';
const asked = (
  core: { link: (id: string) => { requests: readonly { method: string }[] } | undefined },
  id: string,
) => core.link(id)?.requests.filter(({ method }) => !method.endsWith('/list')).length ?? 0;

test('what is denied is in no list', async (t) => {
  const { list } = await start(t);
  const tools = await list('tools', 'tools', 'name');
  assert.deepEqual(
    tools.filter((name) => name?.includes('__')),
    ['files__read', 'files__pay'],
  );
  assert.deepEqual(await list('prompts', 'prompts', 'name'), ['files__open']);
  assert.deepEqual(await list('resources', 'resources', 'uri'), ['file:///open/a']);
  assert.deepEqual(await list('resources/templates', 'resourceTemplates', 'uriTemplate'), [
    'file:///{+path}',
  ]);
});

test('a call of what is denied ends as one of what there never was, and reaches no server', async (t) => {
  const core = await start(t);
  const same = async (method: string, key: string, denied: string, unknown: string) => {
    const [first, second] = await Promise.all(
      [denied, unknown].map(async (name, id) =>
        failureOf(await core.ask(request(method, { [key]: name }, id))),
      ),
    );
    assert.equal(JSON.stringify(first).replaceAll(denied, unknown), JSON.stringify(second), denied);
    assert.ok(first?.[0] === Code.InvalidParams || first?.[0] === Code.ResourceNotFound, denied);
  };
  await same('tools/call', 'name', 'files__remove', 'files__never');
  await same('tools/call', 'name', 'hidden__t', 'hidden__never');
  await same('prompts/get', 'name', 'files__secret', 'files__never');
  for (const uri of [
    'file:///secret/a',
    'file:///secret/unlisted',
    'file:///open/../secret/a',
    'vault:///a',
    aliasUri('files', 'file:///secret/a'),
  ]) {
    for (const method of ['resources/read', 'resources/subscribe'])
      assert.equal(
        failureOf(await core.ask(request(method, { uri })))[0],
        Code.ResourceNotFound,
        `${method} ${uri}`,
      );
  }
  const complete = (ref: object) =>
    core.ask(request('completion/complete', { ref, argument: { name: 'x', value: '' } }));
  assert.equal(
    failureOf(await complete({ type: 'ref/prompt', name: 'files__secret' }))[0],
    Code.InvalidParams,
  );
  assert.equal(
    failureOf(await complete({ type: 'ref/resource', uri: 'vault:///{+path}' }))[0],
    Code.ResourceNotFound,
  );
  assert.deepEqual([asked(core, 'files'), asked(core, 'hidden')], [0, 0]);
  assert.deepEqual(
    core.counted.filter(({ outcome }) => outcome === 'denied').map(({ method }) => method),
    ['tools/call', 'tools/call', 'prompts/get', 'completion/complete'],
  );
});

test('what nobody lists is asked of no server that is denied', async (t) => {
  const core = await start(t);
  for (const uri of ['hidden:///b', aliasUri('hidden', 'file:///open/a'), aliasUri('hidden', 'hidden:///b')])
    await core.ask(request('resources/read', { uri }));
  assert.deepEqual([asked(core, 'files'), asked(core, 'hidden')], [3, 0]);
});

test('the built-in tools show and call what the caller may use', async (t) => {
  const core = await start(t);
  const servers = JSON.parse(textOf(await core.call('list_mcp_servers'))).servers;
  assert.deepEqual(
    servers.map(({ name, tools }: { name: string; tools: number }) => [name, tools]),
    [['files', 2]],
  );
  const tools = JSON.parse(textOf(await core.call('list_tools_for_mcp_server', { server: 'files' }))).tools;
  assert.deepEqual(
    tools.map(({ name }: { name: string }) => name),
    ['read', 'pay'],
  );
  assert.match(textOf(await core.call('list_tools_for_mcp_server', { server: 'hidden' })), /known: files$/);
  assert.match(textOf(await core.exec('hidden', 't')), /There is no server "hidden"; known: files$/);
  assert.equal(textOf(await core.exec('files', 'remove')), 'Unknown tool: remove');
  assert.equal(textOf(await core.exec('files', 'files__remove')), 'Unknown tool: files__remove');
  assert.equal(asked(core, 'files'), 0);
  await core.exec('files', 'read');
  assert.equal(asked(core, 'files'), 1);
});

test('a condition decides on the arguments that the server gets, and its refusal is for the model to read', async (t) => {
  const core = await start(t);
  const refused = 'The policy of this gateway does not allow this call with these arguments: small sums';
  assert.deepEqual((await core.call('files__pay', { amount: 100 })).answered.result, { content: [] });
  for (const sink of [
    await core.call('files__pay', { amount: 101 }),
    await core.call('files__pay', {}),
    await core.exec('files', 'pay', { amount: 101 }),
  ]) {
    assert.equal(textOf(sink), refused);
    assert.equal((sink.answered.result as { isError: boolean }).isError, true);
  }
  const twice = await core.ask(
    requestOf(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"files__pay","arguments":{"amount":1000,"amount":1}}}',
    ),
  );
  assert.equal(textOf(twice), 'A member of the arguments stands twice');
  const inside = await core.ask(
    requestOf(
      '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"exec_tool","arguments":{"server":"files","tool":"pay","arguments":{"amount":1000,"amount":1}}}}',
    ),
  );
  assert.equal(textOf(inside), 'A member of the arguments stands twice');
  assert.equal(asked(core, 'files'), 1);
});

test('a name is the same for who may use only some, and what clashes with the hidden keeps its own', async (t) => {
  const clash = (policy?: Policy) =>
    startCore(
      t,
      { a: { tools: ['t'], record: { toolPrefix: '' } }, b: { tools: ['t'], record: { toolPrefix: '' } } },
      policy === undefined ? {} : { policy },
    );
  const namesOf = async (core: Awaited<ReturnType<typeof clash>>) => {
    const { result } = (await core.ask(request('tools/list', {}))).answered;
    return (result as { tools: { name: string }[] }).tools
      .map(({ name }) => name)
      .filter((name) => /^t/.test(name));
  };
  const read = readPolicy(JSON.stringify({ rules: [{ effect: 'deny', servers: ['a'] }] }));
  assert.ok(!('problem' in read));
  const [, second] = await namesOf(await clash());
  assert.deepEqual(await namesOf(await clash(await Policy.of(read))), [second]);
});

test('who may use everything shares what is shared', async (t) => {
  const core = await start(t, [{ effect: 'deny', roles: ['support'] }]);
  const { principal } = core.session;
  const view = core.catalogs.viewFor(principal, {});
  assert.equal(view, core.catalogs.view(principal, {}));
  const support = { ...principal, roles: ['support', 'user'] };
  const restricted = core.catalogs.viewFor(support, {});
  assert.notEqual(restricted, view);
  assert.equal(restricted, core.catalogs.viewFor({ ...support }, {}));
  assert.equal((await restricted.snapshot()).sources.length, 0);
});
