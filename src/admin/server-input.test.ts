import assert from 'node:assert/strict';
import { test } from 'node:test';
import { create, type MessageInitShape } from '@bufbuild/protobuf';
import type { ServerRecord, ServerTarget } from '../db/server-record.ts';
import {
  ServerOAuth_AuthMethod as AuthMethod,
  ServerOAuth_Grant as Grant,
} from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import {
  CreateMcpServerRequestSchema,
  type McpServerChangesSchema,
  UpdateMcpServerRequestSchema,
} from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { toServerPatch, toServerSpec } from './server-input.ts';

const HTTP: ServerTarget = { kind: 'http', url: 'http://old', headers: { a: 'secret' } };
const STDIO: ServerTarget = { kind: 'stdio', command: 'old', args: ['x'], env: { K: 'secret' }, cwd: '/old' };

function stored(target: ServerTarget): ServerRecord {
  const at = new Date(0);
  return {
    id: 'id',
    name: 'old',
    owner: { tenantId: 't', userId: 'u' },
    target,
    toolPrefix: 'p',
    enabled: false,
    ordinal: 1,
    revision: 1,
    createdAt: at,
    updatedAt: at,
  };
}

function patch(
  before: ServerTarget | ServerRecord,
  changes: MessageInitShape<typeof McpServerChangesSchema>,
  ...paths: string[]
) {
  const request = create(UpdateMcpServerRequestSchema, {
    changes,
    ...(paths.length === 0 ? {} : { updateMask: { paths } }),
  });
  return toServerPatch(request, 'id' in before ? before : stored(before));
}

function refuses(field: string, call: () => unknown): void {
  assert.throws(
    call,
    (error) =>
      error instanceof GatewayError &&
      error.code === Code.InvalidArgument &&
      error.fields[0]?.field === field,
  );
}

const url = (value: string) => ({ target: { case: 'url' as const, value } });
const stdio = (value: Record<string, unknown>) => ({ target: { case: 'stdio' as const, value } });

test('what is unset at creation is left to the defaults', () => {
  const spec = toServerSpec(create(CreateMcpServerRequestSchema, { name: 'a', ...url('http://x') }));
  assert.deepEqual(spec, {
    name: 'a',
    target: { kind: 'http', url: 'http://x', headers: {} },
    enabled: true,
  });
  const bare = toServerSpec(create(CreateMcpServerRequestSchema, { name: 'a', ...stdio({ command: 'c' }) }));
  assert.deepEqual(bare.target, { kind: 'stdio', command: 'c', args: [], env: {} });
});

test('an empty prefix is not an unset one', () => {
  const request = create(CreateMcpServerRequestSchema, { name: 'a', ...url('http://x'), toolPrefix: '' });
  assert.equal(toServerSpec(request).toolPrefix, '');
});

test('without a mask, what has a value is changed', () => {
  assert.deepEqual(patch(HTTP, {}), {});
  assert.deepEqual(patch(HTTP, { name: 'n', enabled: true, toolPrefix: '' }), {
    name: 'n',
    enabled: true,
    toolPrefix: '',
  });
  assert.deepEqual(patch(HTTP, { headers: { b: '2' } }), { target: { ...HTTP, headers: { b: '2' } } });
});

test('with a mask, nothing else is changed', () => {
  const changes = { name: 'n', toolPrefix: 'q', enabled: true, ...url('http://new'), headers: { b: '2' } };
  assert.deepEqual(patch(HTTP, changes, 'name'), { name: 'n' });
  assert.deepEqual(patch(HTTP, changes, 'tool_prefix', 'enabled'), { toolPrefix: 'q', enabled: true });
  assert.deepEqual(patch(HTTP, changes, 'headers'), { target: { ...HTTP, headers: { b: '2' } } });
});

test('a masked field without a value goes back to its default', () => {
  assert.deepEqual(patch(HTTP, {}, 'tool_prefix'), { toolPrefix: null });
  assert.deepEqual(patch(HTTP, {}, 'enabled'), { enabled: true });
  assert.deepEqual(patch(HTTP, {}, 'headers'), { target: { ...HTTP, headers: {} } });
  assert.deepEqual(patch(STDIO, {}, 'stdio.args', 'stdio.env', 'stdio.cwd'), {
    target: { kind: 'stdio', command: 'old', args: [], env: {} },
  });
});

test('a new url keeps the headers, and new arguments keep the variables', () => {
  assert.deepEqual(patch(HTTP, url('http://new'), 'url'), { target: { ...HTTP, url: 'http://new' } });
  assert.deepEqual(patch(STDIO, stdio({ args: ['y'] }), 'stdio.args'), { target: { ...STDIO, args: ['y'] } });
  assert.deepEqual(patch(STDIO, stdio({ command: 'new', cwd: '/new' }), 'stdio.command', 'stdio.cwd'), {
    target: { ...STDIO, command: 'new', cwd: '/new' },
  });
});

test('a server can be changed from one way of reaching it to the other', () => {
  const toStdio = { target: { kind: 'stdio', command: 'c', args: [], env: {} } };
  assert.deepEqual(patch(HTTP, stdio({ command: 'c' })), toStdio);
  assert.deepEqual(patch(HTTP, stdio({ command: 'c' }), 'url', 'stdio'), toStdio);
  assert.deepEqual(patch(STDIO, { ...url('http://new'), headers: { b: '2' } }, 'url', 'headers'), {
    target: { kind: 'http', url: 'http://new', headers: { b: '2' } },
  });
});

const seconds = (count: number) => ({ seconds: BigInt(count), nanos: 0 });

test('time limits are counted in milliseconds', () => {
  const timeouts = { idle: { seconds: 1n, nanos: 500_400_000 } };
  const toolTimeouts = { slow: { total: seconds(3600) } };
  const spec = toServerSpec(
    create(CreateMcpServerRequestSchema, { name: 'a', ...url('http://x'), timeouts, toolTimeouts }),
  );
  assert.deepEqual(spec.timeouts, { idleMs: 1500 });
  assert.deepEqual(spec.toolTimeouts, { slow: { totalMs: 3_600_000 } });
});

test('each time limit is changed for itself, and all of them as a whole', () => {
  const before: ServerRecord = { ...stored(HTTP), timeouts: { idleMs: 5000, totalMs: 9000 } };
  const timeouts = { idle: seconds(7) };
  assert.deepEqual(patch(before, { timeouts }), { timeouts: { idleMs: 7000, totalMs: 9000 } });
  assert.deepEqual(patch(before, { timeouts }, 'timeouts.idle'), {
    timeouts: { idleMs: 7000, totalMs: 9000 },
  });
  assert.deepEqual(patch(before, { timeouts }, 'timeouts.total'), { timeouts: { idleMs: 5000 } });
  assert.deepEqual(patch(before, { timeouts }, 'timeouts'), { timeouts: { idleMs: 7000 } });
  assert.deepEqual(patch(before, { timeouts: {} }), {});
  assert.deepEqual(patch(before, {}, 'timeouts'), { timeouts: null });
  assert.deepEqual(patch(before, {}, 'timeouts.idle', 'timeouts.total'), { timeouts: null });
  assert.deepEqual(patch(HTTP, { timeouts }), { timeouts: { idleMs: 7000 } });
  refuses('changes.timeouts', () => patch(before, { timeouts: { idle: seconds(10) } }));
  refuses('changes.timeouts', () => patch(before, { timeouts: { total: seconds(4) } }));
});

test("tools' time limits are replaced together", () => {
  const before: ServerRecord = { ...stored(HTTP), toolTimeouts: { a: { idleMs: 1 } } };
  const toolTimeouts = { b: { idle: seconds(2) } };
  assert.deepEqual(patch(before, { toolTimeouts }), { toolTimeouts: { b: { idleMs: 2000 } } });
  assert.deepEqual(patch(before, { toolTimeouts: {} }), {});
  assert.deepEqual(patch(before, {}, 'tool_timeouts'), { toolTimeouts: null });
});

test('secrets that cannot be read are not lost by a change of something else', () => {
  const unreadable = 'the key is missing';
  const lost = (target: ServerTarget): ServerRecord => ({
    ...stored(target),
    unreadable,
    lost: [target.kind === 'http' ? 'headers' : 'env'],
  });
  const http = lost({ ...HTTP, headers: {} });
  const process = lost({ ...STDIO, env: {} });
  const isRefused = { code: Code.FailedPrecondition, message: unreadable };
  assert.throws(() => patch(http, url('http://new')), isRefused);
  assert.throws(() => patch(process, stdio({ args: ['y'] }), 'stdio.args'), isRefused);
  assert.deepEqual(patch(http, { name: 'n' }), { name: 'n' });
  assert.deepEqual(patch(http, { headers: { a: 'new' } }), { target: { ...HTTP, headers: { a: 'new' } } });
  assert.deepEqual(patch(http, {}, 'headers'), { target: { ...HTTP, headers: {} } });
  assert.deepEqual(patch(process, stdio({ env: { K: 'new' } }), 'stdio.env'), {
    target: { ...STDIO, env: { K: 'new' } },
  });
  assert.deepEqual(patch(http, stdio({ command: 'c' })), {
    target: { kind: 'stdio', command: 'c', args: [], env: {} },
  });
});

test('what cannot be changed so is refused by name', () => {
  refuses('update_mask', () => patch(HTTP, {}, 'id'));
  refuses('update_mask', () => patch(HTTP, {}, '*'));
  refuses('update_mask', () => patch(HTTP, {}, ''));
  refuses('changes.name', () => patch(HTTP, {}, 'name'));
  refuses('changes.url', () => patch(HTTP, {}, 'url'));
  refuses('changes.stdio', () => patch(STDIO, {}, 'stdio'));
  refuses('changes.stdio.command', () => patch(STDIO, stdio({ args: ['x'] }), 'stdio'));
  refuses('changes.stdio.command', () => patch(STDIO, stdio({}), 'stdio.command'));
  refuses('changes.stdio.env', () => patch(HTTP, {}, 'stdio.env'));
  refuses('changes.headers', () => patch(STDIO, { headers: { a: 'b' } }));
  refuses('changes.headers', () => patch(HTTP, { ...stdio({ command: 'c' }), headers: { a: 'b' } }));
});

const GRANT = {
  grant: Grant.CLIENT_CREDENTIALS,
  clientId: 'c',
  clientSecret: 's',
  scopes: ['a', 'b', 'a'],
};
const STORED_GRANT = {
  grant: 'client_credentials',
  clientId: 'c',
  clientSecret: 's',
  authMethod: 'client_secret_basic',
  scopes: ['a', 'b'],
} as const;

test('a client replaces the one that is stored, but for a secret that is not given anew', () => {
  const bare: ServerTarget = { ...HTTP, headers: {} };
  assert.deepEqual(patch(bare, { oauth: GRANT }), { target: { ...bare, oauth: STORED_GRANT } });
  const before: ServerTarget = { ...bare, oauth: STORED_GRANT };
  const { clientSecret: _, ...without } = GRANT;
  assert.deepEqual(patch(before, { oauth: { ...without, scopes: [] } }), {
    target: { ...bare, oauth: { ...STORED_GRANT, scopes: [] } },
  });
  refuses('changes.oauth.client_secret', () => patch(before, { oauth: { ...without, clientId: 'other' } }));
  const whom = { issuer: 'https://issuer.example', audience: 'api://docs' };
  assert.deepEqual(patch(before, { oauth: { ...without, ...whom, grant: Grant.TOKEN_EXCHANGE } }), {
    target: { ...bare, oauth: { ...STORED_GRANT, ...whom, grant: 'token_exchange' } },
  });
  assert.deepEqual(patch(before, {}, 'oauth'), { target: bare });
  assert.deepEqual(patch(before, { oauth: { grant: Grant.AUTHORIZATION_CODE } }), { target: bare });
  assert.deepEqual(patch(before, url('http://new')), { target: { ...before, url: 'http://new' } });
});

test('a client that can not be used is refused by the field that is wrong', () => {
  const bare: ServerTarget = { ...HTTP, headers: {} };
  const { clientSecret: _, ...without } = GRANT;
  const keyed = { ...without, tokenEndpointAuthMethod: AuthMethod.PRIVATE_KEY_JWT };
  for (const [field, oauth] of [
    ['grant', { ...GRANT, grant: Grant.UNSPECIFIED }],
    ['grant', { ...GRANT, grant: 99 as Grant }],
    ['client_id', { ...GRANT, clientId: '' }],
    ['client_secret', without],
    ['private_key', keyed],
    ['private_key', { ...keyed, privateKey: 'no key' }],
    ['private_key', { ...keyed, privateKey: '{"kty":"oct","k":"AAAA"}' }],
    ['private_key', { ...GRANT, privateKey: 'k', tokenEndpointAuthMethod: AuthMethod.CLIENT_SECRET_POST }],
    ['client_secret', { ...GRANT, privateKey: 'k' }],
    ['token_endpoint_auth_method', { ...GRANT, tokenEndpointAuthMethod: 99 as AuthMethod }],
    ['issuer', { ...GRANT, issuer: 'http://far.example' }],
    ['issuer', { ...GRANT, grant: Grant.TOKEN_EXCHANGE }],
    ['audience', { ...GRANT, audience: 'api://docs' }],
  ] as const)
    refuses(`changes.oauth.${field}`, () => patch(bare, { oauth }));
  refuses('changes.oauth', () => patch({ ...bare, headers: { Authorization: 'x' } }, { oauth: GRANT }));
  refuses('changes.oauth', () => patch(STDIO, { oauth: GRANT }));
  refuses('changes.oauth', () =>
    patch({ ...bare, oauth: STORED_GRANT }, { headers: { authorization: 'x' } }, 'headers'),
  );
  const process = create(CreateMcpServerRequestSchema, {
    name: 'a',
    ...stdio({ command: 'c' }),
    oauth: GRANT,
  });
  refuses('oauth', () => toServerSpec(process));
});

test('a client that can not be read is not lost by a change of something else', () => {
  const lost: ServerRecord = { ...stored(HTTP), unreadable: 'the key is missing', lost: ['oauth'] };
  const isRefused = { code: Code.FailedPrecondition };
  assert.throws(() => patch(lost, { headers: { a: 'new' } }), isRefused);
  assert.deepEqual(patch(lost, { oauth: GRANT }), { target: { ...HTTP, oauth: STORED_GRANT } });
});
