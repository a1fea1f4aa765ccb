import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { durationMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import {
  McpServer_Health_Breaker as Breaker,
  McpServer_Health_State as State,
} from '../../src/gen/dragon/turnstile/api/v1/server_pb.ts';
import {
  TestMcpServerResponse_Era as Era,
  TurnstileService,
  type UpdateMcpServerRequestSchema,
} from '../../src/gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { BadRequestSchema } from '../../src/gen/google/rpc/error_details_pb.ts';
import { Code as GatewayCode, GatewayError } from '../../src/protocol/errors.ts';
import { type StartedManagement, startManagement } from './management-start.ts';

const TRANSPORTS: Record<string, (baseUrl: string) => Transport> = {
  'Connect over HTTP/1.1': (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' }),
  'Connect with GET over HTTP/1.1': (baseUrl) =>
    createConnectTransport({ baseUrl, httpVersion: '1.1', useHttpGet: true }),
  'Connect over h2c': (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '2' }),
  'gRPC over h2c': (baseUrl) => createGrpcTransport({ baseUrl }),
  'gRPC-Web over HTTP/1.1': (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
  'gRPC-Web over h2c': (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '2' }),
};

async function started(context: TestContext) {
  const management = await startManagement(context);
  return { ...management, client: clientOf(management) };
}

function clientOf(management: StartedManagement) {
  return createClient(
    TurnstileService,
    createConnectTransport({ baseUrl: management.url, httpVersion: '1.1' }),
  );
}

const named = (name: string) => ({ server: { ref: { case: 'name' as const, value: name } } });
const identified = (id: string) => ({ server: { ref: { case: 'id' as const, value: id } } });

async function refused(call: Promise<unknown>): Promise<ConnectError> {
  try {
    await call;
  } catch (error) {
    assert.ok(error instanceof ConnectError);
    return error;
  }
  assert.fail('the call was not refused');
}

function fieldsOf(error: ConnectError): string[] {
  return error
    .findDetails(BadRequestSchema)
    .flatMap((detail) => detail.fieldViolations.map(({ field }) => field));
}

async function assertInvalid(call: Promise<unknown>, field: string): Promise<void> {
  const error = await refused(call);
  assert.equal(Code[error.code], 'InvalidArgument', error.message);
  assert.deepEqual(fieldsOf(error), [field]);
  assert.ok(error.message.includes(field), `"${error.message}" does not name ${field}`);
}

for (const [name, transportTo] of Object.entries(TRANSPORTS)) {
  test(`${name} creates, shows, lists, changes and deletes, and tells what is wrong`, async (context) => {
    const { url } = await startManagement(context);
    const client = createClient(TurnstileService, transportTo(url));

    const { server } = await client.createMcpServer({
      name: 'files',
      target: { case: 'url', value: 'http://localhost:9000' },
    });
    assert.equal(server?.name, 'files');
    const { server: byId } = await client.getMcpServer(identified(server.id));
    assert.deepEqual(byId, server);
    const { servers, totalSize, nextPageToken } = await client.listMcpServers({});
    assert.deepEqual([servers, totalSize, nextPageToken], [[server], 1, '']);
    const { server: changed } = await client.updateMcpServer({
      ...identified(server.id),
      changes: { enabled: false },
    });
    assert.equal(changed?.enabled, false);

    const duplicate = await refused(
      client.createMcpServer({ name: 'files', target: { case: 'url', value: 'http://localhost:9001' } }),
    );
    assert.equal(duplicate.code, Code.AlreadyExists);
    assert.deepEqual(fieldsOf(duplicate), ['name']);
    await assertInvalid(
      client.createMcpServer({ name: 'no spaces', target: { case: 'url', value: 'http://localhost' } }),
      'name',
    );

    await client.deleteMcpServer(identified(server.id));
    assert.equal((await refused(client.getMcpServer(identified(server.id)))).code, Code.NotFound);
  });
}

test('a server over HTTP is shown with the names of its headers and without their values', async (context) => {
  const { client, servers, url } = await started(context);
  const secret = 'Bearer s3cr3t';
  const { server } = await client.createMcpServer({
    name: 'http-1',
    target: { case: 'url', value: 'https://example.com/mcp' },
    headers: { 'X-Zone': 'eu', Authorization: secret },
    toolPrefix: '',
  });
  assert.deepEqual(server?.headerNames, ['Authorization', 'X-Zone']);
  assert.equal(server.toolPrefix, '');
  assert.equal(server.enabled, true);
  assert.equal(server.health?.state, State.UNKNOWN);
  assert.deepEqual(server.createTime, server.updateTime);
  assert.deepEqual(servers.records.get(server.id)?.target, {
    kind: 'http',
    url: 'https://example.com/mcp',
    headers: { 'X-Zone': 'eu', Authorization: secret },
  });
  const raw = await fetch(`${url}/dragon.turnstile.api.v1.TurnstileService/ListMcpServers`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{}',
  });
  assert.ok(!(await raw.text()).includes('s3cr3t'));
});

test('a server that is a process is shown with the names of its variables and without their values', async (context) => {
  const { client, servers } = await started(context);
  const { server } = await client.createMcpServer({
    name: 'stdio_1',
    target: {
      case: 'stdio',
      value: { command: 'npx', args: ['-y', 'x'], env: { TOKEN: 'v4lue', A: '1' }, cwd: '/tmp' },
    },
    enabled: false,
  });
  assert.equal(server?.toolPrefix, 'stdio_1');
  assert.equal(server.enabled, false);
  assert.ok(server.target.case === 'stdio');
  assert.deepEqual(server.target.value.envNames, ['A', 'TOKEN']);
  assert.deepEqual(server.target.value.args, ['-y', 'x']);
  assert.equal(server.target.value.cwd, '/tmp');
  assert.deepEqual(servers.records.get(server.id)?.target, {
    kind: 'stdio',
    command: 'npx',
    args: ['-y', 'x'],
    env: { TOKEN: 'v4lue', A: '1' },
    cwd: '/tmp',
  });
});

test('bad input names the field', async (context) => {
  const { client } = await started(context);
  const url = { case: 'url' as const, value: 'http://localhost:9000' };
  const stdio = { case: 'stdio' as const, value: { command: 'x' } };
  await assertInvalid(client.createMcpServer({ name: '', target: url }), 'name');
  await assertInvalid(client.createMcpServer({ name: 'a'.repeat(65), target: url }), 'name');
  await assertInvalid(client.createMcpServer({ name: 'ä', target: url }), 'name');
  await assertInvalid(client.createMcpServer({ name: 'a\n', target: url }), 'name');
  await assertInvalid(client.createMcpServer({ name: 'a' }), 'target');
  for (const value of [
    '',
    'ftp://x',
    'localhost:9000',
    'http://',
    'http:///x',
    'http://a b',
    'javascript:x',
  ]) {
    await assertInvalid(client.createMcpServer({ name: 'a', target: { case: 'url', value } }), 'url');
  }
  await assertInvalid(client.createMcpServer({ name: 'a', target: url, toolPrefix: 'a.b' }), 'tool_prefix');
  await assertInvalid(
    client.createMcpServer({ name: 'a', target: url, headers: { 'a b': 'x' } }),
    'headers["a b"]',
  );
  await assertInvalid(
    client.createMcpServer({ name: 'a', target: url, headers: { a: 'x\r\ny: z' } }),
    'headers["a"]',
  );
  await assertInvalid(client.createMcpServer({ name: 'a', target: stdio, headers: { a: 'b' } }), 'headers');
  await assertInvalid(
    client.createMcpServer({ name: 'a', target: { case: 'stdio', value: { command: '' } } }),
    'stdio.command',
  );
  await assertInvalid(
    client.createMcpServer({
      name: 'a',
      target: { case: 'stdio', value: { command: 'x', env: { 'a=b': '' } } },
    }),
    'stdio.env["a=b"]',
  );
  const limits = (idle: number, total: number) => ({
    idle: { seconds: BigInt(idle) },
    total: { seconds: BigInt(total) },
  });
  await assertInvalid(client.createMcpServer({ name: 'a', target: url, timeouts: limits(2, 1) }), 'timeouts');
  await assertInvalid(
    client.createMcpServer({ name: 'a', target: url, timeouts: limits(0, 1) }),
    'timeouts.idle',
  );
  await assertInvalid(
    client.createMcpServer({ name: 'a', target: url, timeouts: limits(1, 7 * 86_400 + 1) }),
    'timeouts.total',
  );
  await assertInvalid(
    client.createMcpServer({ name: 'a', target: url, toolTimeouts: { 'a b': limits(2, 1) } }),
    'tool_timeouts["a b"]',
  );
  await assertInvalid(
    client.createMcpServer({ name: 'a', target: url, toolTimeouts: { t: {} } }),
    'tool_timeouts["t"]',
  );
  await assertInvalid(
    client.createMcpServer({ name: 'a', target: url, toolTimeouts: { '': limits(1, 1) } }),
    'tool_timeouts[""]',
  );
  const tooMany = Object.fromEntries(Array.from({ length: 257 }, (_, n) => [`t${n}`, limits(1, 1)]));
  await assertInvalid(
    client.createMcpServer({ name: 'a', target: url, toolTimeouts: tooMany }),
    'tool_timeouts',
  );
  await assertInvalid(client.getMcpServer({}), 'server');
  await assertInvalid(client.getMcpServer({ server: {} }), 'server.ref');
  await assertInvalid(client.getMcpServer(identified('')), 'server.id');
  await assertInvalid(client.listMcpServers({ pageSize: -1 }), 'page_size');
  await assertInvalid(client.listMcpServers({ pageToken: 'x' }), 'page_token');
});

test('several wrong fields are told at once', async (context) => {
  const { client } = await started(context);
  const error = await refused(client.createMcpServer({ name: '?', target: { case: 'url', value: '?' } }));
  assert.deepEqual(fieldsOf(error), ['name', 'url']);
});

test('a value that is refused is not repeated', async (context) => {
  const { client, logged } = await started(context);
  const error = await refused(
    client.createMcpServer({
      name: 'a',
      target: { case: 'url', value: 'http://localhost' },
      headers: { authorization: 's3cr3t\n' },
    }),
  );
  assert.ok(!JSON.stringify(error).includes('s3cr3t') && !error.message.includes('s3cr3t'));
  assert.ok(!logged.join('').includes('s3cr3t'));
});

test('an unknown field in JSON is refused by name', async (context) => {
  const { url } = await started(context);
  const response = await fetch(`${url}/dragon.turnstile.api.v1.TurnstileService/CreateMcpServer`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name: 'a', url: 'http://localhost', toolprefix: 'x' }),
  });
  assert.equal(response.status, 400);
  const body = (await response.json()) as { code: string; message: string };
  assert.equal(body.code, 'invalid_argument');
  assert.match(body.message, /toolprefix/);
});

test("another user's server is exactly like an unknown one", async (context) => {
  const { client } = await started(context);
  const asOther = { headers: { 'x-user': 'other' } };
  const target = { case: 'url' as const, value: 'http://localhost:9000' };
  const { server } = await client.createMcpServer({ name: 'mine', target });
  assert.ok(server);
  const unknown = await refused(client.getMcpServer(identified('00000000-0000-4000-8000-000000000000')));
  const calls = [
    client.getMcpServer(identified(server.id), asOther),
    client.updateMcpServer({ ...identified(server.id), changes: { enabled: false } }, asOther),
    client.deleteMcpServer(identified(server.id), asOther),
    client.testMcpServer(identified(server.id), asOther),
    client.refreshMcpServer(identified(server.id), asOther),
    client.listTools(identified(server.id), asOther),
  ];
  for (const call of calls) {
    const error = await refused(call);
    assert.equal(error.code, Code.NotFound);
    assert.equal(error.message.replace(server.id, ''), unknown.message.replace(/"[^"]*"/, '""'));
  }
  assert.equal((await refused(client.getMcpServer(named('mine'), asOther))).code, Code.NotFound);
  assert.deepEqual((await client.listMcpServers({}, asOther)).servers, []);
  assert.ok((await client.createMcpServer({ name: 'mine', target }, asOther)).server);
});

test('servers are listed page by page, each once', async (context) => {
  const { client } = await started(context);
  const names = Array.from({ length: 7 }, (_, index) => `s${index}`);
  for (const name of names)
    await client.createMcpServer({ name, target: { case: 'url', value: 'http://x' } });
  const seen: string[] = [];
  let pageToken = '';
  do {
    const page = await client.listMcpServers({ pageSize: 3, pageToken });
    assert.equal(page.totalSize, 7);
    seen.push(...page.servers.map((server) => server.name));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  assert.deepEqual(seen, names);
});

test('an update changes what the mask names and nothing else', async (context) => {
  const { client, servers } = await started(context);
  const { server } = await client.createMcpServer({
    name: 'a',
    target: { case: 'url', value: 'http://x' },
    headers: { authorization: 'secret' },
    toolPrefix: 'p',
  });
  assert.ok(server);
  const updated = await client.updateMcpServer({
    ...named('a'),
    changes: { name: 'b', target: { case: 'url', value: 'http://y' }, toolPrefix: 'q', enabled: false },
    updateMask: { paths: ['url', 'tool_prefix'] },
  });
  assert.equal(updated.server?.name, 'a');
  assert.equal(updated.server.toolPrefix, 'q');
  assert.equal(updated.server.enabled, true);
  assert.deepEqual(servers.records.get(server.id)?.target, {
    kind: 'http',
    url: 'http://y',
    headers: { authorization: 'secret' },
  });
  const cleared = await client.updateMcpServer({
    ...named('a'),
    updateMask: { paths: ['tool_prefix', 'headers'] },
  });
  assert.equal(cleared.server?.toolPrefix, 'a');
  assert.deepEqual(cleared.server.headerNames, []);
});

test('time limits are shown as they were given, and changed one by one', async (context) => {
  const { client, servers } = await started(context);
  const { server } = await client.createMcpServer({
    name: 'a',
    target: { case: 'url', value: 'http://x' },
    timeouts: { idle: { seconds: 90n } },
    toolTimeouts: { slow: { idle: { nanos: 250_000_000 }, total: { seconds: 3600n } } },
  });
  assert.equal(server?.timeouts?.idle?.seconds, 90n);
  assert.equal(server.timeouts.total, undefined);
  assert.deepEqual(Object.keys(server.toolTimeouts), ['slow']);
  assert.equal(durationMs(server.toolTimeouts['slow']!.idle!), 250);
  assert.deepEqual(servers.records.get(server.id)?.timeouts, { idleMs: 90_000 });
  const updated = await client.updateMcpServer({
    ...named('a'),
    changes: { timeouts: { total: { seconds: 100n } } },
  });
  assert.equal(updated.server?.timeouts?.idle?.seconds, 90n);
  assert.equal(updated.server.timeouts.total?.seconds, 100n);
  await assertInvalid(
    client.updateMcpServer({ ...named('a'), changes: { timeouts: { total: { seconds: 80n } } } }),
    'changes.timeouts',
  );
  const cleared = await client.updateMcpServer({
    ...named('a'),
    updateMask: { paths: ['timeouts', 'tool_timeouts'] },
  });
  assert.equal(cleared.server?.timeouts, undefined);
  assert.deepEqual(cleared.server?.toolTimeouts, {});
});

test('updates at the same time lose nothing of each other', async (context) => {
  const { client, servers } = await started(context);
  const target = { case: 'url' as const, value: 'http://old' };
  const { server } = await client.createMcpServer({ name: 'a', target, headers: { a: 'old' } });
  const { id } = server!;
  // Both have read the record when the first of them writes.
  const bothRead = Promise.withResolvers<void>();
  servers.beforeUpdate = async () => {
    if (servers.updates === 2) bothRead.resolve();
    await bothRead.promise;
  };
  await Promise.all([
    client.updateMcpServer({ ...named('a'), changes: { target: { case: 'url', value: 'http://new' } } }),
    client.updateMcpServer({ ...identified(id), changes: { headers: { a: 'new' } } }),
  ]);
  assert.deepEqual(servers.records.get(id)?.target, {
    kind: 'http',
    url: 'http://new',
    headers: { a: 'new' },
  });
  assert.equal(servers.updates, 3, 'one was worked out again');
});

test('an update that is overtaken time after time is aborted', async (context) => {
  const { client, servers } = await started(context);
  const { server } = await client.createMcpServer({ name: 'a', target: { case: 'url', value: 'http://x' } });
  const { id } = server!;
  servers.beforeUpdate = async () => {
    const record = servers.records.get(id)!;
    servers.records.set(id, { ...record, revision: record.revision + 1 });
  };
  const error = await refused(client.updateMcpServer({ ...named('a'), changes: { enabled: false } }));
  assert.equal(Code[error.code], 'Aborted');
  assert.equal(servers.records.get(id)!.enabled, true);
});

test('an update that cannot be made names the field', async (context) => {
  const { client } = await started(context);
  const target = { case: 'url' as const, value: 'http://x' };
  await client.createMcpServer({ name: 'a', target });
  await client.createMcpServer({ name: 'b', target });
  const update = (request: Omit<MessageInitShape<typeof UpdateMcpServerRequestSchema>, '$typeName'>) =>
    client.updateMcpServer({ ...request, ...named('a') });
  await assertInvalid(update({ updateMask: { paths: ['nonsense'] } }), 'update_mask');
  await assertInvalid(update({ updateMask: { paths: ['name'] } }), 'changes.name');
  await assertInvalid(update({ changes: { name: '?' } }), 'changes.name');
  await assertInvalid(update({ updateMask: { paths: ['url'] } }), 'changes.url');
  await assertInvalid(update({ updateMask: { paths: ['stdio.args'] } }), 'changes.stdio.args');
  const byTheManager = await refused(
    update({ changes: { target: { case: 'url', value: 'http://refused' } } }),
  );
  assert.deepEqual(fieldsOf(byTheManager), ['changes.url']);
  assert.equal((await refused(update({ changes: { name: 'b' } }))).code, Code.AlreadyExists);
  assert.equal((await refused(client.updateMcpServer({ ...named('c') }))).code, Code.NotFound);
});

test('health tells the state, the reason and the time', async (context) => {
  const { client, servers } = await started(context);
  const { server } = await client.createMcpServer({ name: 'a', target: { case: 'url', value: 'http://x' } });
  servers.healthOf.set(server!.id, {
    state: 'failing',
    breaker: 'closed',
    error: 'connection refused',
    checkedAt: new Date(5000),
  });
  const { server: shown } = await client.getMcpServer(named('a'));
  assert.equal(shown?.health?.state, State.FAILING);
  assert.equal(shown.health.error, 'connection refused');
  assert.equal(shown.health.checkTime?.seconds, 5n);
  assert.equal(shown.health.breaker, Breaker.CLOSED);
  for (const [breaker, state] of [
    ['open', Breaker.OPEN],
    ['half-open', Breaker.HALF_OPEN],
  ] as const) {
    servers.healthOf.set(server!.id, { state: 'ok', breaker, checkedAt: new Date(5000) });
    assert.equal((await client.getMcpServer(named('a'))).server?.health?.breaker, state);
  }
});

test('a test tells what the server is, or the exact reason of its failure', async (context) => {
  const { client, servers } = await started(context);
  await client.createMcpServer({ name: 'a', target: { case: 'url', value: 'http://x' } });
  servers.report = {
    ok: true,
    era: 'legacy',
    protocolVersion: '2025-11-25',
    serverInfo: { name: 'demo', version: '1' },
    capabilities: { tools: { listChanged: true } },
    toolCount: 3,
    latencyMs: 12.4,
  };
  const good = await client.testMcpServer(named('a'));
  assert.equal(durationMs(good.latency!), 12);
  assert.ok(good.outcome.case === 'success');
  assert.equal(good.outcome.value.era, Era.LEGACY);
  assert.equal(good.outcome.value.protocolVersion, '2025-11-25');
  assert.deepEqual(good.outcome.value.capabilities, { tools: { listChanged: true } });
  assert.deepEqual(good.outcome.value.serverInfo, { name: 'demo', version: '1' });
  assert.equal(good.outcome.value.toolCount, 3);

  servers.report = { ok: false, error: 'connect ECONNREFUSED 127.0.0.1:9', latencyMs: 3 };
  const bad = await client.testMcpServer(named('a'));
  assert.ok(bad.outcome.case === 'failure');
  assert.equal(bad.outcome.value.error, 'connect ECONNREFUSED 127.0.0.1:9');
});

test('what is seen of a server is listed page by page with the original entries', async (context) => {
  const { client, servers } = await started(context);
  const { server } = await client.createMcpServer({ name: 'a', target: { case: 'url', value: 'http://x' } });
  const tool = (name: string) => ({
    publicName: `a__${name}`,
    entry: {
      name,
      inputSchema: { type: 'object', properties: { n: { type: 'number', maximum: 1.5 } } },
      x: null,
    },
  });
  servers.seenOf.set(server!.id, {
    tools: [tool('zeta'), tool('alpha'), tool('mid')],
    resources: [{ publicName: 'file:///a', entry: { uri: 'file:///a', name: 'a' } }],
    resourceTemplates: [{ publicName: 'file:///{p}', entry: { uriTemplate: 'file:///{p}', name: 't' } }],
    prompts: [{ publicName: 'a__hi', entry: { name: 'hi' } }],
  });
  const first = await client.listTools({ ...named('a'), pageSize: 2 });
  assert.deepEqual(
    first.tools.map((shown) => shown.publicName),
    ['a__alpha', 'a__mid'],
  );
  assert.deepEqual(first.tools[0]?.definition, tool('alpha').entry);
  assert.equal(first.totalSize, 3);
  const second = await client.listTools({ ...named('a'), pageSize: 2, pageToken: first.nextPageToken });
  assert.deepEqual(
    second.tools.map((shown) => shown.publicName),
    ['a__zeta'],
  );
  assert.equal(second.nextPageToken, '');
  await assertInvalid(client.listTools({ ...named('a'), pageToken: '%%' }), 'page_token');

  const { resources } = await client.listResources(named('a'));
  assert.deepEqual(
    resources.map(({ publicUri, definition }) => [publicUri, definition]),
    [['file:///a', { uri: 'file:///a', name: 'a' }]],
  );
  const { resourceTemplates } = await client.listResourceTemplates(named('a'));
  assert.equal(resourceTemplates[0]?.publicUriTemplate, 'file:///{p}');
  const { prompts } = await client.listPrompts(named('a'));
  assert.equal(prompts[0]?.publicName, 'a__hi');

  const refreshed = await client.refreshMcpServer(named('a'));
  assert.equal(refreshed.server?.name, 'a');
  assert.deepEqual(
    [refreshed.toolCount, refreshed.resourceCount, refreshed.resourceTemplateCount, refreshed.promptCount],
    [3, 1, 1, 1],
  );
});

test('failures of a server keep their meaning, and inner ones their secrets', async (context) => {
  const { client, servers, logged } = await started(context);
  await client.createMcpServer({ name: 'a', target: { case: 'url', value: 'http://x' } });
  const cases: [Error, Code][] = [
    [new GatewayError(GatewayCode.DownstreamUnavailable, 'refused'), Code.Unavailable],
    [new GatewayError(GatewayCode.DownstreamTimeout, 'no answer in 5 s'), Code.DeadlineExceeded],
    [new GatewayError(GatewayCode.DownstreamProtocol, 'answered HTML'), Code.FailedPrecondition],
  ];
  for (const [failure, code] of cases) {
    servers.failure = failure;
    const error = await refused(client.refreshMcpServer(named('a')));
    assert.equal(error.code, code);
    assert.equal(error.rawMessage, failure.message);
  }
  assert.deepEqual(logged, []);

  servers.failure = new TypeError('inner detail');
  const error = await refused(client.refreshMcpServer(named('a')));
  assert.equal(error.code, Code.Internal);
  assert.ok(!error.message.includes('inner detail'));
  assert.match(logged.join(''), /RefreshMcpServer.*inner detail/);
});
