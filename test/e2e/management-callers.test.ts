import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { DescMethodUnary, MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import { markOf } from '../../src/coordination/session-mark.ts';
import { ApiKey_Scope as Scope } from '../../src/gen/dragon/turnstile/api/v1/api_key_pb.ts';
import { TurnstileService } from '../../src/gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { Health } from '../../src/gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../../src/gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../../src/gen/grpc/reflection/v1alpha/reflection_pb.ts';
import { LONG_MS, makeSession } from '../support/coordination.ts';
import { startManagement } from './management-start.ts';

const TRANSPORTS: Record<string, (baseUrl: string) => Transport> = {
  Connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' }),
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  'gRPC-Web': (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
};

/** Streams are followed in a test of their own. */
type Methods = Omit<typeof TurnstileService.method, 'followEventLog'>;

/** What is somebody's: a server by its id, a key, and a session by its mark. */
interface Target {
  readonly serverId: string;
  readonly keyId: string;
  readonly mark: string;
  readonly recordingId: string;
}

/**
 * For each method of the service a request about what is somebody else's, and what a user gets for it: a code, or an answer
 * with nothing in it. A method that is not here does not compile.
 */
const FOREIGN: {
  readonly [M in keyof Methods]: {
    readonly request: (target: Target) => MessageInitShape<Methods[M]['input']>;
    readonly gets: Code | 'nothing' | 'own';
  };
} = {
  createMcpServer: {
    // The name is taken by the other one only.
    request: () => ({ name: 'mine', target: { case: 'url', value: 'http://localhost:9' } }),
    gets: 'own',
  },
  getMcpServer: { request: byId, gets: Code.NotFound },
  listMcpServers: { request: () => ({}), gets: 'nothing' },
  updateMcpServer: {
    request: (target) => ({ ...byId(target), changes: { name: 'x' } }),
    gets: Code.NotFound,
  },
  deleteMcpServer: { request: byId, gets: Code.NotFound },
  testMcpServer: { request: byId, gets: Code.NotFound },
  refreshMcpServer: { request: byId, gets: Code.NotFound },
  loginMcpServer: { request: byId, gets: Code.NotFound },
  getLoginStatusForMcpServer: { request: byId, gets: Code.NotFound },
  logoutMcpServer: { request: byId, gets: Code.NotFound },
  listTools: { request: byId, gets: Code.NotFound },
  listResources: { request: byId, gets: Code.NotFound },
  listResourceTemplates: { request: byId, gets: Code.NotFound },
  listPrompts: { request: byId, gets: Code.NotFound },
  createApiKey: { request: () => ({ name: 'x', userId: 'owner' }), gets: Code.PermissionDenied },
  listApiKeys: { request: () => ({}), gets: 'nothing' },
  revokeApiKey: { request: ({ keyId }) => ({ id: keyId }), gets: Code.NotFound },
  resealSecrets: { request: () => ({}), gets: Code.PermissionDenied },
  getEventLog: { request: () => ({ filter: { userId: 'owner' } }), gets: Code.PermissionDenied },
  verifyEventLog: { request: () => ({}), gets: Code.PermissionDenied },
  listNodes: { request: () => ({}), gets: Code.PermissionDenied },
  listSessions: { request: () => ({}), gets: 'nothing' },
  startRecording: {
    request: () => ({ userId: 'owner', duration: durationFromMs(60_000) }),
    gets: Code.PermissionDenied,
  },
  stopRecording: { request: ({ recordingId }) => ({ id: recordingId }), gets: Code.PermissionDenied },
  listRecordings: { request: () => ({}), gets: Code.PermissionDenied },
  getRecording: { request: ({ recordingId }) => ({ id: recordingId }), gets: Code.PermissionDenied },
  endSession: { request: ({ mark }) => ({ id: mark }), gets: Code.NotFound },
};

function byId({ serverId }: Target) {
  return { server: { ref: { case: 'id' as const, value: serverId } } };
}

const methods = Object.keys(FOREIGN) as (keyof Methods)[];

async function call(
  transport: Transport,
  name: keyof Methods,
  target: Target,
  headers: Record<string, string>,
) {
  const method: DescMethodUnary = TurnstileService.method[name];
  const request = FOREIGN[name].request(target);
  return (await transport.unary(method, undefined, undefined, headers, request)).message;
}

async function codeOf(work: Promise<unknown>): Promise<Code | undefined> {
  try {
    await work;
    return undefined;
  } catch (error) {
    assert.ok(error instanceof ConnectError, String(error));
    return error.code;
  }
}

async function started(context: Parameters<typeof startManagement>[0]) {
  const management = await startManagement(context);
  const owner = { tenantId: 'default', userId: 'owner', roles: ['user'] };
  const target = { kind: 'http', url: 'http://localhost:1', headers: {} } as const;
  const { id: serverId } = await management.servers.create(owner, { name: 'mine', enabled: true, target });
  const { record } = await management.apiKeys.create(owner, { name: 'mine', scopes: ['mcp'] });
  const session = makeSession({ ...owner });
  await management.sessions.create(session, 'test', LONG_MS);
  const admin = { tenantId: 'default', userId: 'boss', roles: ['admin', 'user'] };
  const { id: recordingId } = await management.recorder.start(admin, 'somebody', 60_000);
  return { ...management, target: { serverId, keyId: record.id, mark: markOf(session.id), recordingId } };
}

const OWNER = { 'x-user': 'owner', 'x-role': 'user' };
const OTHER = { 'x-user': 'other', 'x-role': 'user' };

for (const [protocol, transportTo] of Object.entries(TRANSPORTS)) {
  test(`${protocol}: nobody uses a method without showing who it is`, async (context) => {
    const { url, target, servers } = await started(context);
    const transport = transportTo(url);
    for (const name of methods) {
      const code = await codeOf(call(transport, name, target, { 'x-nobody': '1' }));
      assert.deepEqual([name, code], [name, Code.Unauthenticated]);
    }
    assert.equal(servers.records.size, 1);
  });
}

test('nobody asks reflection without showing who it is, and everybody asks whether the node is well', async (context) => {
  const { url } = await started(context);
  const transport = createGrpcTransport({ baseUrl: url });
  const headers = { 'x-nobody': '1' };
  async function* question() {
    yield { messageRequest: { case: 'listServices' as const, value: '' } };
  }
  for (const service of [ServerReflection, ServerReflectionAlpha]) {
    const asked = async (as: Record<string, string>) => {
      for await (const _ of createClient(service, transport).serverReflectionInfo(question(), {
        headers: as,
      }))
        return;
    };
    assert.equal(await codeOf(asked(headers)), Code.Unauthenticated);
    assert.equal(await codeOf(asked({})), undefined);
  }
  assert.equal(await codeOf(createClient(Health, transport).check({}, { headers })), undefined);
});

test('what is somebody else’s is to a user as if it were not there', async (context) => {
  const { url, target, servers } = await started(context);
  const transport = createConnectTransport({ baseUrl: url, httpVersion: '1.1' });
  for (const name of methods) {
    const { gets } = FOREIGN[name];
    if (typeof gets === 'number') {
      const code = await codeOf(call(transport, name, target, OTHER));
      assert.deepEqual([name, code], [name, gets]);
    } else if (gets === 'nothing') {
      const answer = (await call(transport, name, target, OTHER)) as { totalSize?: number };
      assert.deepEqual([name, answer.totalSize], [name, name === 'listMcpServers' ? 1 : 0]);
    } else assert.equal(await codeOf(call(transport, name, target, OTHER)), undefined);
  }
  const owned = [...servers.records.values()].map(({ owner }) => owner.userId);
  assert.deepEqual(owned, ['owner', 'other']);
  // As a request about what never was.
  const nothing = {
    serverId: crypto.randomUUID(),
    keyId: 'unknown',
    mark: 'unknown',
    recordingId: 'unknown',
  };
  for (const name of methods) {
    if (FOREIGN[name].gets !== Code.NotFound) continue;
    assert.deepEqual([name, await codeOf(call(transport, name, nothing, OTHER))], [name, Code.NotFound]);
  }
});

test('only an admin makes keys for others and for admins, and has processes started', async (context) => {
  const { url, target } = await started(context);
  const client = createClient(TurnstileService, createConnectTransport({ baseUrl: url, httpVersion: '1.1' }));
  const asUser = { headers: OWNER };
  const asAdmin = { headers: { 'x-user': 'boss' } };
  const stdio = { name: 'tool', target: { case: 'stdio' as const, value: { command: 'true' } } };
  const denied = [
    client.createApiKey({ name: 'x', scopes: [Scope.ADMIN] }, asUser),
    client.createApiKey({ name: 'x', userId: 'other' }, asUser),
    client.createApiKey({ name: 'x', roles: ['support'] }, asUser),
    client.listApiKeys({ userId: 'other' }, asUser),
    client.createMcpServer(stdio, asUser),
    client.updateMcpServer({ ...byId(target), changes: { target: stdio.target } }, asUser),
    client.updateMcpServer({ ...byId(target), changes: {}, updateMask: { paths: ['stdio.args'] } }, asUser),
  ];
  for (const work of denied) assert.equal(await codeOf(work), Code.PermissionDenied);

  const { apiKey, key } = await client.createApiKey(
    { name: 'x', userId: 'other', scopes: [Scope.ADMIN, Scope.MCP], roles: ['b', 'a', 'b'] },
    asAdmin,
  );
  assert.match(key, /^drg_[0-9a-f]{20}_[\w-]{43}$/);
  assert.deepEqual([apiKey?.userId, apiKey?.scopes], ['other', [Scope.MCP, Scope.ADMIN]]);
  assert.deepEqual(apiKey?.roles, ['a', 'b']);
  assert.equal((await client.listApiKeys({ userId: 'other' }, asAdmin)).totalSize, 1);
  assert.ok((await client.revokeApiKey({ id: apiKey?.id ?? '' }, asAdmin)).apiKey?.revokeTime);
  assert.ok((await client.createMcpServer(stdio, asAdmin)).server);

  const { apiKey: own } = await client.createApiKey({ name: 'mine', userId: 'owner' }, asUser);
  assert.deepEqual([own?.userId, own?.scopes], ['owner', [Scope.MCP]]);
  assert.ok((await client.revokeApiKey({ id: own?.id ?? '' }, asUser)).apiKey?.revokeTime);
});

test('a key that cannot be is not made', async (context) => {
  const { url } = await started(context);
  const client = createClient(TurnstileService, createConnectTransport({ baseUrl: url, httpVersion: '1.1' }));
  const bad = [
    { name: '' },
    { name: 'a\nb' },
    { name: 'x', scopes: [Scope.UNSPECIFIED] },
    { name: 'x', scopes: [9 as Scope] },
    { name: 'x', expireTime: { seconds: 1n, nanos: 0 } },
    { name: 'x', userId: ' other' },
    { name: 'x', userId: 'a\u0000b' },
    { name: 'x', userId: 'x'.repeat(257) },
    ...['', 'user', 'admin', ' a', 'a\u0000', 'x'.repeat(257)].map((role) => ({
      name: 'x',
      roles: ['a', role],
    })),
    { name: 'x', roles: Array.from({ length: 65 }, (_, number) => `role ${number}`) },
  ];
  for (const request of bad)
    assert.equal(
      await codeOf(client.createApiKey(request)),
      Code.InvalidArgument,
      JSON.stringify(request.name),
    );
});

test('an admin of another tenant finds neither sessions nor recordings of this one, and does not run the gateway', async (context) => {
  const { url, target } = await started(context);
  const client = createClient(TurnstileService, createConnectTransport({ baseUrl: url, httpVersion: '1.1' }));
  const here = { headers: { 'x-user': 'boss' } };
  const there = { headers: { 'x-user': 'boss', 'x-tenant': 'other' } };
  assert.equal((await client.listSessions({}, here)).sessions.length, 1);
  assert.equal((await client.listSessions({}, there)).sessions.length, 0);
  assert.equal((await client.listRecordings({}, here)).recordings.length, 1);
  assert.equal((await client.listRecordings({}, there)).recordings.length, 0);
  const { mark: id, recordingId } = target;
  assert.equal(await codeOf(client.endSession({ id }, there)), Code.NotFound);
  assert.equal(await codeOf(client.getRecording({ id: recordingId }, there)), Code.NotFound);
  assert.equal(await codeOf(client.stopRecording({ id: recordingId }, there)), Code.NotFound);
  // What is about all tenants is for those who run the gateway.
  assert.equal(await codeOf(client.resealSecrets({}, there)), Code.PermissionDenied);
  assert.equal(await codeOf(client.resealSecrets({}, here)), undefined);
  assert.equal(await codeOf(client.listSessions({ pageToken: 'nonsense' }, here)), Code.InvalidArgument);
  assert.equal(
    await codeOf(client.listSessions({ userId: 'owner' }, { headers: OTHER })),
    Code.PermissionDenied,
  );
  assert.equal((await client.endSession({ id }, { headers: OWNER })).session?.id, id);
  assert.equal(await codeOf(client.endSession({ id }, here)), Code.NotFound);
});
