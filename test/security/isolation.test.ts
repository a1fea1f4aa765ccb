import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { aliasUri } from '../../src/catalog/snapshot.ts';
import { TurnstileService } from '../../src/gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { encodeTaskId } from '../../src/protocol/task-id.ts';
import { METHODS } from '../../src/router/methods.ts';
import { MODERN_METHODS } from '../../src/router/modern-methods.ts';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { listNames } from '../support/lists.ts';
import { ModernClient } from '../support/modern-client.ts';
import { type RawAnswer, RawClient } from '../support/raw-client.ts';

interface Someone {
  readonly user: string;
  readonly tenant: string;
}

const ADA: Someone = { user: 'ada', tenant: 'acme' };
const STRANGERS: readonly Someone[] = [
  { user: 'bob', tenant: 'acme' },
  { user: 'ada', tenant: 'other' },
  // Identifiers count whole.
  { user: 'ada.lovelace', tenant: 'acme' },
  { user: 'ada', tenant: 'acme.com' },
  { user: 'ADA', tenant: 'acme' },
];

const headersOf = ({ user, tenant }: Someone) => ({ 'x-forwarded-user': user, 'x-forwarded-tenant': tenant });

/** What of Ada's a stranger asks for, or something that there never was. */
interface Target {
  readonly serverId: string;
  readonly serverName: string;
  readonly keyId: string;
  /** Of an open session of hers. */
  readonly sessionId: string;
}

const UNKNOWN: Target = {
  serverId: '0190163d-8694-739b-aea5-966c26f8ad91',
  serverName: 'unknown',
  keyId: '00000000000000000000',
  sessionId: '0000000000000000',
};

type Bodies = (target: Target) => readonly object[];

const refs: Bodies = ({ serverId, serverName }) => [
  { server: { id: serverId } },
  { server: { name: serverName } },
];

/** What each RPC can be asked about somebody's things. Those that list one's own are asked below. */
const RPCS: Readonly<Record<string, Bodies | 'own'>> = {
  CreateMcpServer: 'own',
  GetMcpServer: refs,
  ListMcpServers: 'own',
  UpdateMcpServer: (target) =>
    refs(target).map((ref) => ({ ...ref, changes: { name: 'stolen' }, updateMask: 'name' })),
  DeleteMcpServer: refs,
  TestMcpServer: refs,
  RefreshMcpServer: refs,
  ListTools: refs,
  ListResources: refs,
  ListResourceTemplates: refs,
  ListPrompts: refs,
  LoginMcpServer: refs,
  GetLoginStatusForMcpServer: refs,
  LogoutMcpServer: refs,
  CreateApiKey: 'own',
  ListApiKeys: 'own',
  RevokeApiKey: ({ keyId }) => [{ id: keyId }],
  ResealSecrets: () => [{}],
  GetEventLog: 'own',
  FollowEventLog: 'own',
  VerifyEventLog: 'own',
  ListNodes: () => [{}],
  ListSessions: 'own',
  EndSession: ({ sessionId }) => [{ id: sessionId }],
  StartRecording: () => [{ userId: ADA.user, duration: '60s' }],
  StopRecording: ({ sessionId }) => [{ id: sessionId }],
  ListRecordings: () => [{}],
  GetRecording: ({ sessionId }) => [{ id: sessionId }],
};

type Params = (target: Target) => readonly Record<string, unknown>[];

const nothing: Params = () => [{}];
const tools: Params = ({ serverName }) => [
  { name: `${serverName}__echo`, arguments: { text: 'x' } },
  { name: 'exec_tool', arguments: { server: serverName, tool: 'echo', arguments: { text: 'x' } } },
  { name: 'list_tools_for_mcp_server', arguments: { server: serverName } },
];
const prompts: Params = ({ serverName }) => [{ name: `${serverName}__p` }];
const uris: Params = ({ serverId, serverName }) => [
  { uri: `${serverName}://r` },
  { uri: aliasUri(serverId, `${serverName}://r`) },
];
const tasks: Params = ({ serverId }) => [{ taskId: encodeTaskId(serverId, 'task') }];
const completions: Params = (target) =>
  [
    ...prompts(target).map((ref) => ({ type: 'ref/prompt', ...ref })),
    ...uris(target).map((ref) => ({ type: 'ref/resource', ...ref })),
  ].map((ref) => ({ ref, argument: { name: 'a', value: '' } }));

/** What each method can be asked about somebody's things. */
const BOTH_ERAS: Readonly<Record<string, Params>> = {
  'tools/list': nothing,
  'tools/call': tools,
  'prompts/list': nothing,
  'prompts/get': prompts,
  'resources/list': nothing,
  'resources/templates/list': nothing,
  'resources/read': uris,
  'completion/complete': completions,
  'tasks/get': tasks,
  'tasks/cancel': tasks,
};
const LEGACY: Readonly<Record<string, Params>> = {
  ...BOTH_ERAS,
  ping: nothing,
  'resources/subscribe': uris,
  'resources/unsubscribe': uris,
  'logging/setLevel': () => [{ level: 'debug' }],
  'tasks/result': tasks,
  'tasks/list': nothing,
};
const MODERN: Readonly<Record<string, Params>> = {
  ...BOTH_ERAS,
  'server/discover': nothing,
  'tasks/update': tasks,
  'subscriptions/listen': (target) => [
    {
      notifications: {
        toolsListChanged: true,
        resourceSubscriptions: uris(target).map(({ uri }) => uri),
        taskIds: tasks(target).map(({ taskId }) => taskId),
      },
    },
  ],
};

describe('what is somebody’s is nobody else’s', { timeout: 170_000 }, () => {
  let gateway: Gateway;
  let server: CountingServer;
  let target: Target;
  let session: RawClient;
  /** As Ada's server answers it. */
  let before_: unknown;

  before(async () => {
    server = await CountingServer.start({
      instructions: 'the instructions of Ada',
      resources: [{ uri: 'adas://r', name: 'r' }],
      resourceTemplates: [{ uriTemplate: 'adas://{x}', name: 't' }],
      prompts: [{ name: 'p' }],
    });
    gateway = await Gateway.start({
      env: {
        DRAGON_AUTH: 'proxy,api-key',
        DRAGON_HOST: '127.0.0.1',
        DRAGON_PROXY_ADDRESSES: '127.0.0.1',
        DRAGON_ALLOWED_NETWORKS: 'loopback',
        DRAGON_PROBE_INTERVAL_MS: '0',
      },
    });
    const made = await ask(ADA, 'CreateMcpServer', { name: 'adas', url: server.url });
    const key = await ask(ADA, 'CreateApiKey', { name: 'adas key' });
    session = new RawClient(gateway.mcpUrl, { headers: headersOf(ADA) });
    await session.initialize();
    assert.ok((await listNames(session)).includes('adas__echo'));
    const [listed] = (await ask(ADA, 'ListSessions', {})).json.sessions;
    target = {
      serverId: made.json.server.id,
      serverName: 'adas',
      keyId: key.json.apiKey.id,
      sessionId: listed.id,
    };
    before_ = (await ask(ADA, 'GetMcpServer', { server: { name: 'adas' } })).json;
  });

  after(async () => {
    session?.close();
    await gateway?.stop();
    await server?.close();
  });

  async function ask(who: Someone, method: string, body: object) {
    const response = await fetch(`${gateway.grpcUrl}/dragon.turnstile.api.v1.TurnstileService/${method}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headersOf(who) },
      body: JSON.stringify(body),
    });
    const text = await response.text();
    return { status: response.status, text, json: JSON.parse(text) };
  }

  /** As it would read about what there never was. */
  const asUnknown = (text: string) =>
    text
      .replaceAll(target.serverId, UNKNOWN.serverId)
      .replaceAll(target.keyId, UNKNOWN.keyId)
      .replaceAll(target.sessionId, UNKNOWN.sessionId)
      .replaceAll(target.serverName, UNKNOWN.serverName);

  it('is looked at for every RPC and every method that there is', () => {
    assert.deepEqual(Object.keys(RPCS).sort(), TurnstileService.methods.map(({ name }) => name).sort());
    assert.deepEqual(Object.keys(LEGACY).sort(), [...METHODS.keys()].sort());
    assert.deepEqual(Object.keys(MODERN).sort(), [...MODERN_METHODS.keys()].sort());
  });

  it('looks over every RPC as if it had never been', async () => {
    for (const who of STRANGERS) {
      for (const [method, bodies] of Object.entries(RPCS)) {
        if (bodies === 'own') continue;
        for (const [at, body] of bodies(target).entries()) {
          const theirs = await ask(who, method, body);
          const never = await ask(who, method, bodies(UNKNOWN)[at]!);
          const place = `${who.user}@${who.tenant} ${method} ${JSON.stringify(body)}`;
          assert.ok(theirs.status >= 400, place);
          assert.deepEqual([theirs.status, asUnknown(theirs.text)], [never.status, never.text], place);
        }
      }
    }
  });

  it('is in no list of anybody else’s, and takes no name from anybody', async () => {
    for (const who of STRANGERS) {
      const place = `${who.user}@${who.tenant}`;
      for (const method of ['ListMcpServers', 'ListApiKeys'])
        assert.doesNotMatch((await ask(who, method, {})).text, /adas/, place);
      const { events = [] } = (await ask(who, 'GetEventLog', {})).json;
      for (const { userId } of events) assert.equal(userId, who.user, place);
      assert.doesNotMatch((await ask(who, 'ListSessions', {})).text, new RegExp(target.sessionId), place);
      const own = await ask(who, 'CreateMcpServer', { name: 'adas', url: server.url, enabled: false });
      assert.equal(own.status, 200, place);
      assert.notEqual(own.json.server.id, target.serverId);
      assert.equal((await ask(who, 'DeleteMcpServer', { server: { id: own.json.server.id } })).status, 200);
      for (const [method, body] of [
        ['CreateApiKey', { name: 'x', userId: 'ada' }],
        ['ListApiKeys', { userId: 'ada' }],
        ['ListSessions', { userId: 'ada' }],
      ] as const) {
        if (who.user === 'ada') continue;
        assert.equal((await ask(who, method, body)).status, 403, place);
      }
    }
  });

  async function compare(
    place: string,
    params: Params,
    request: (params: Record<string, unknown>) => Promise<RawAnswer>,
  ) {
    const bare = ({ status, text }: RawAnswer) => [
      status,
      asUnknown(text).replace(/"(id|[a-z./]*subscriptionId)":\d+/g, ''),
    ];
    const of = (text: string) => text.replace(/"(memoryBytes|uptimeSeconds)":\d+/g, '');
    for (const [at, each] of params(target).entries()) {
      const theirs = await request(each);
      const never = await request(params(UNKNOWN)[at]!);
      assert.doesNotMatch(theirs.text, /the instructions of Ada/, place);
      assert.equal(of(String(bare(theirs))), of(String(bare(never))), place);
    }
  }

  function legacy(t: TestContext, who: Someone): RawClient {
    const client = new RawClient(gateway.mcpUrl, { headers: headersOf(who) });
    t.after(() => client.close());
    return client;
  }

  it('looks over every MCP method as if it had never been, in both eras', async (t) => {
    const seen = server.seen.length;
    for (const who of STRANGERS) {
      const place = `${who.user}@${who.tenant}`;
      const old = legacy(t, who);
      assert.doesNotMatch((await old.initialize()).text, /instructions of Ada/);
      for (const [method, params] of Object.entries(LEGACY))
        await compare(`${place} ${method}`, params, (each) => old.request(method, each));
      const modern = new ModernClient(gateway.mcpUrl, {
        headers: headersOf(who),
        capabilities: { extensions: { 'io.modelcontextprotocol/tasks': {} } },
      });
      t.after(() => modern.close());
      for (const [method, params] of Object.entries(MODERN)) {
        await compare(`${place} modern ${method}`, params, async (each) => {
          if (method !== 'subscriptions/listen') return modern.request(method, each);
          const stream = await modern.open(method, each);
          const first = await stream.next();
          stream.close();
          return { status: stream.status, text: JSON.stringify(first) } as RawAnswer;
        });
      }
    }
    assert.equal(server.seen.length, seen, 'her server has heard of none of it');
  });

  it('is as it was', async () => {
    assert.deepEqual((await ask(ADA, 'GetMcpServer', { server: { name: 'adas' } })).json, before_);
    const { json } = await ask(ADA, 'ListApiKeys', {});
    assert.equal(json.apiKeys[0].revokeTime, undefined);
    assert.equal((await session.request('ping')).status, 200);
  });
});
