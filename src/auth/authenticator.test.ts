import assert from 'node:assert/strict';
import { BlockList } from 'node:net';
import { type TestContext, test } from 'node:test';
import { turnsUntil } from '../../test/support/fakes.ts';
import { MemoryApiKeys } from '../../test/support/memory-api-keys.ts';
import { MemoryBus } from '../coordination/memory/bus.ts';
import { createMemoryCoordination, MemoryHub } from '../coordination/memory/index.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { ApiKeys } from './api-keys.ts';
import { Authenticator } from './authenticator.ts';
import { Challenges } from './challenge.ts';
import type { Face, Presented } from './identity.ts';
import { KnownOwners } from './owners.ts';
import type { Owner, Principal } from './principal.ts';
import { ProxyIdentities } from './proxy.ts';

const MINUTE = 60_000;
const owner: Owner = { tenantId: 'acme', userId: 'ann' };

function start(t: TestContext, options: { face?: Face; addOwner?: (owner: Owner) => Promise<void> } = {}) {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  const hub = new MemoryHub();
  const added: Owner[] = [];
  const addOwner = options.addOwner ?? (async (one: Owner) => void added.push(one));
  const repository = new MemoryApiKeys();
  const node = (nodeId: string) => {
    const { bus } = createMemoryCoordination({ nodeId, hub });
    const keys = new ApiKeys(repository, bus, () => undefined);
    const authenticator = new Authenticator({
      face: options.face ?? 'mcp',
      schemes: [keys],
      proxy: undefined,
      challenges: new Challenges({ metadataUrl: undefined, scopes: [] }),
      owners: new KnownOwners(addOwner),
    });
    keys.onRevoked((id) => authenticator.forget(id));
    return { bus, keys, authenticate: authenticator.authenticate };
  };
  return { repository, added, node, ...node('one') };
}

const showing = (key: string): Presented => ({
  headers: { authorization: `Bearer ${key}` },
  remoteAddress: '127.0.0.1',
});

const is = (code: Code, challenge?: RegExp) => (error: unknown) => {
  assert.ok(error instanceof GatewayError, String(error));
  assert.equal(error.code, code, error.message);
  if (challenge !== undefined) assert.match(error.challenge ?? '', challenge);
  return true;
};

/** Of an answer that is not here at once; whatever it is. */
function isAskedAnew(answer: Principal | Promise<Principal>): boolean {
  if (!(answer instanceof Promise)) return false;
  answer.catch(() => undefined);
  return true;
}

/** A bus that has been away for a moment when a test says so. */
class GapBus extends MemoryBus {
  readonly #onGap: (() => void)[] = [];

  override onGap(listener: () => void): () => void {
    this.#onGap.push(listener);
    return () => undefined;
  }

  gap(): void {
    for (const listener of this.#onGap) listener();
  }
}

const away = new GatewayError(Code.Unavailable, 'The database cannot be reached');

test('a credential is looked at once, and then known at once', async (t) => {
  const { keys, authenticate, repository, added } = start(t);
  const { key, record } = await keys.create(owner, { name: 'x', scopes: ['mcp', 'admin'] });
  const first = authenticate(showing(key));
  assert.equal(authenticate(showing(key)), first, 'those that come together share one look');
  const principal = await first;
  assert.deepEqual(principal, { ...owner, roles: ['admin', 'user'], keyId: record.id });
  assert.equal(authenticate(showing(key)), principal);
  assert.deepEqual([repository.finds, repository.used, added.length], [1, [record.id], 1]);
});

test('a key has the roles that it was given, but is an admin’s by its scopes alone', async (t) => {
  const { keys, authenticate, repository } = start(t);
  const { key, record } = await keys.create(owner, {
    name: 'x',
    scopes: ['mcp'],
    roles: ['support', 'sales', 'support'],
  });
  assert.deepEqual(record.roles, ['sales', 'support']);
  const principal = await authenticate(showing(key));
  assert.deepEqual(principal, { ...owner, roles: ['sales', 'support', 'user'], keyId: record.id });
  assert.equal(authenticate(showing(key)), principal);
  const both = await keys.create(owner, { name: 'x', scopes: ['mcp', 'admin'], roles: ['sales'] });
  assert.deepEqual((await authenticate(showing(both.key))).roles, ['admin', 'sales', 'user']);
  // Whoever has put it there: not the management API.
  const odd = await keys.create(owner, { name: 'x', scopes: ['mcp'] });
  repository.stored.set(odd.record.id, { ...repository.stored.get(odd.record.id)!, roles: ['admin'] });
  assert.deepEqual((await authenticate(showing(odd.key))).roles, ['user']);
});

test('it is looked at again after a minute', async (t) => {
  const { keys, authenticate, repository } = start(t);
  const { key, record } = await keys.create(owner, { name: 'x', scopes: ['mcp'] });
  await authenticate(showing(key));
  await repository.revoke(owner.tenantId, undefined, record.id);
  t.mock.timers.tick(MINUTE - 1);
  assert.ok(!(authenticate(showing(key)) instanceof Promise));
  t.mock.timers.tick(1);
  await assert.rejects(async () => authenticate(showing(key)), is(Code.Unauthenticated, /revoked/));
});

test('it ends with its own time, to the millisecond', async (t) => {
  const { keys, authenticate } = start(t);
  const expiresAt = new Date(Date.now() + 5000);
  const { key } = await keys.create(owner, { name: 'x', scopes: ['mcp'], expiresAt });
  await authenticate(showing(key));
  t.mock.timers.tick(4999);
  assert.ok(!(authenticate(showing(key)) instanceof Promise));
  t.mock.timers.tick(1);
  await assert.rejects(async () => authenticate(showing(key)), is(Code.Unauthenticated, /expired/));
});

test('what is revoked on one node is refused on all, at once', async (t) => {
  const { keys, authenticate, node } = start(t);
  const other = node('other');
  const { key, record } = await keys.create(owner, { name: 'x', scopes: ['mcp'] });
  const { key: kept } = await keys.create(owner, { name: 'y', scopes: ['mcp'] });
  const show = () =>
    Promise.all(
      [key, kept].flatMap((each) => [authenticate(showing(each)), other.authenticate(showing(each))]),
    );
  await show();
  await other.keys.revoke(owner.tenantId, owner.userId, record.id);
  await turnsUntil(() => isAskedAnew(authenticate(showing(key))), 'news of it');
  for (const each of [authenticate, other.authenticate]) {
    await assert.rejects(async () => each(showing(key)), is(Code.Unauthenticated, /revoked/));
    assert.ok(!(each(showing(kept)) instanceof Promise), 'the other key is known as before');
  }
});

test('after news may have been lost, known keys are asked about again, and told to whoever listens', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  const repository = new MemoryApiKeys();
  const bus = new GapBus('one', new MemoryHub(), undefined);
  const keys = new ApiKeys(repository, bus, () => undefined);
  const told: (string | undefined)[] = [];
  keys.onRevoked((id) => told.push(id));
  const { key, record } = await keys.create(owner, { name: 'x', scopes: ['mcp'] });
  await keys.identify(key);
  await repository.revoke(owner.tenantId, undefined, record.id);
  assert.ok(await keys.identify(key), 'it is known for a while');
  bus.gap();
  assert.deepEqual(told, [undefined]);
  await assert.rejects(keys.identify(key), is(Code.Unauthenticated));
});

test('whether a key is good is what the database says; while that is away nobody is thrown out', async (t) => {
  const { keys, repository } = start(t);
  const make = async (more: object = {}) =>
    (await keys.create(owner, { name: 'x', scopes: ['mcp'], ...more })).record.id;
  const [good, lasting, short, revoked] = [
    await make(),
    await make({ expiresAt: new Date(Date.now() + MINUTE) }),
    await make({ expiresAt: new Date(Date.now() - 1) }),
    await make(),
  ];
  await repository.revoke(owner.tenantId, undefined, revoked);
  const answers = await Promise.all([good, lasting, short, revoked, 'unknown'].map((id) => keys.isGood(id)));
  assert.deepEqual(answers, [true, true, false, false, false]);
  repository.failure = away;
  assert.equal(await keys.isGood('another'), true);
});

test('what is revoked while it is looked up is not remembered as good', async (t) => {
  const { keys, authenticate, repository } = start(t);
  const { key, record } = await keys.create(owner, { name: 'x', scopes: ['mcp'] });
  const { promise, resolve } = Promise.withResolvers<void>();
  repository.gate = promise;
  const before = authenticate(showing(key));
  await keys.revoke(owner.tenantId, undefined, record.id);
  resolve();
  await before;
  await assert.rejects(async () => authenticate(showing(key)), is(Code.Unauthenticated, /revoked/));
});

test('nor is what is revoked while its owner is added', async (t) => {
  const { promise, resolve } = Promise.withResolvers<void>();
  const { keys, authenticate } = start(t, { addOwner: () => promise });
  const { key, record } = await keys.create(owner, { name: 'x', scopes: ['mcp'] });
  const before = authenticate(showing(key));
  await new Promise(setImmediate);
  await keys.revoke(owner.tenantId, undefined, record.id);
  resolve();
  await before;
  await assert.rejects(async () => authenticate(showing(key)), is(Code.Unauthenticated, /revoked/));
});

test('known keys do without the database, unknown ones are not called wrong', async (t) => {
  const { keys, authenticate, repository } = start(t);
  const { key, record } = await keys.create(owner, { name: 'x', scopes: ['mcp'] });
  const { key: unseen } = await keys.create(owner, { name: 'y', scopes: ['mcp'] });
  await authenticate(showing(key));
  repository.failure = away;
  t.mock.timers.tick(MINUTE);
  assert.deepEqual(await authenticate(showing(key)), { ...owner, roles: ['user'], keyId: record.id });
  await assert.rejects(async () => authenticate(showing(unseen)), is(Code.Unavailable));
});

test('ids that are made up do not flood the database', async (t) => {
  const { authenticate, repository } = start(t);
  const { promise, resolve } = Promise.withResolvers<void>();
  repository.gate = promise;
  const madeUp = (index: number) => `drg_${String(index).padStart(20, '0')}_${'x'.repeat(43)}`;
  const refused = Array.from({ length: 100 }, (_, index) =>
    Promise.resolve(authenticate(showing(madeUp(index)))).catch((error: GatewayError) => error.code),
  );
  await new Promise(setImmediate);
  assert.equal(repository.finds, 64);
  resolve();
  const codes = await Promise.all(refused);
  assert.equal(codes.filter((code) => code === Code.Unavailable).length, 36);
  assert.equal(codes.filter((code) => code === Code.Unauthenticated).length, 64);
  await assert.rejects(async () => authenticate(showing(madeUp(1))), is(Code.Unauthenticated));
  assert.equal(repository.finds, 64, 'what nobody has is remembered for a moment');
});

test('what is no credential of these is refused with a challenge', async (t) => {
  const { authenticate } = start(t);
  const nothing = { headers: {}, remoteAddress: '127.0.0.1' };
  assert.throws(() => authenticate(nothing), is(Code.Unauthenticated, /^Bearer realm="dragon"$/));
  for (const authorization of [
    '',
    'Bearer',
    'Bearer ',
    'Basic eDp5',
    'Bearer a b',
    'Bearer "x"',
    'Bearer\tx',
  ])
    await assert.rejects(
      async () => authenticate({ ...nothing, headers: { authorization } }),
      is(Code.Unauthenticated, /^Bearer realm="dragon"$/),
    );
  await assert.rejects(
    async () => authenticate(showing('something')),
    is(Code.Unauthenticated, /error="invalid_token"/),
  );
});

test('nothing in a challenge ends its quotes or its line', () => {
  const metadataUrl = 'https://dragon.example.com/.well-known/oauth-protected-resource/mcp';
  const challenges = new Challenges({ metadataUrl, scopes: ['a', 'b'] });
  const message = 'bad "x"\\\r\nset-cookie: a=b \u2028';
  const { challenge } = challenges.invalid(new GatewayError(Code.Unauthenticated, message));
  assert.equal(
    challenge,
    `Bearer error="invalid_token", error_description="bad 'x''''set-cookie: a=b '", scope="a b", resource_metadata="${metadataUrl}"`,
  );
});

test('calls do without the database where an owner cannot be added, management does not', async (t) => {
  const addOwner = async () => {
    throw away;
  };
  const { keys, authenticate } = start(t, { addOwner });
  const { key } = await keys.create(owner, { name: 'x', scopes: ['mcp', 'manage'] });
  assert.ok(await authenticate(showing(key)));
  t.mock.timers.reset();
  const management = start(t, { addOwner, face: 'management' });
  const made = await management.keys.create(owner, { name: 'x', scopes: ['manage'] });
  await assert.rejects(async () => management.authenticate(showing(made.key)), is(Code.Unavailable));
});

test('a refused scope is a refusal, and is not remembered as a permission', async (t) => {
  const { keys, authenticate } = start(t);
  const { key } = await keys.create(owner, { name: 'x', scopes: ['manage'] });
  for (let again = 0; again < 2; again++)
    await assert.rejects(
      async () => authenticate(showing(key)),
      is(Code.Forbidden, /error="insufficient_scope"/),
    );
});

test('a proxy names whom it speaks for, whole', async () => {
  const addresses = new BlockList();
  addresses.addSubnet('10.0.0.0', 8, 'ipv4');
  const proxy = new ProxyIdentities({
    addresses,
    userHeader: 'x-user',
    tenantHeader: 'x-tenant',
    rolesHeader: 'x-roles',
    adminRoles: ['ops'],
    secret: undefined,
  });
  const identify = (headers: Record<string, string>, remoteAddress: string | undefined = '10.0.0.1') =>
    proxy.identify({ headers, remoteAddress })?.principal;
  const ann: Principal = { tenantId: 'default', userId: 'ann.lee@example.com', roles: ['user'] };
  assert.deepEqual(identify({ 'x-user': ann.userId }), ann);
  assert.deepEqual(identify({ 'x-user': ann.userId }, '::ffff:10.0.0.1'), ann);
  assert.deepEqual(identify({ 'x-user': ann.userId, 'x-tenant': 'a.b', 'x-roles': 'dev, ops' }), {
    ...ann,
    tenantId: 'a.b',
    roles: ['admin', 'dev', 'ops', 'user'],
  });
  // Called so by the proxy, and not by the configuration.
  assert.deepEqual(identify({ 'x-user': ann.userId, 'x-roles': 'admin, , user' })?.roles, ['user']);
  assert.equal(identify({ 'x-user': Buffer.from('ünal').toString('latin1') })?.userId, 'ünal');
  assert.deepEqual(identify({ 'x-user': ann.userId, 'x-roles': 'dev,opsx' })?.roles, ['dev', 'opsx', 'user']);
  assert.equal(identify({ 'x-user': ann.userId }, '11.0.0.1'), undefined);
  assert.equal(proxy.identify({ headers: { 'x-user': ann.userId }, remoteAddress: undefined }), undefined);
  assert.equal(identify({ 'x-tenant': 'a' }), undefined);
  for (const bad of ['', 'a,b', ' a', '\xff', 'x'.repeat(257)])
    assert.throws(() => identify({ 'x-user': bad }), is(Code.Unauthenticated), JSON.stringify(bad));
});

test('whom a proxy introduces is told of once in an hour', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 100 * 60 * MINUTE });
  const addresses = new BlockList();
  addresses.addAddress('127.0.0.1');
  const told: string[] = [];
  const { authenticate } = new Authenticator({
    face: 'mcp',
    schemes: [],
    proxy: new ProxyIdentities({
      addresses,
      userHeader: 'x-user',
      tenantHeader: 'x-tenant',
      rolesHeader: 'x-roles',
      adminRoles: [],
      secret: undefined,
    }),
    challenges: new Challenges({ metadataUrl: undefined, scopes: [] }),
    owners: new KnownOwners(async () => {}),
    onAccepted: (face, { userId }, by) => told.push(`${face} ${userId} ${by}`),
  });
  const come = (user: string) => authenticate({ headers: { 'x-user': user }, remoteAddress: '127.0.0.1' });
  for (const user of ['ann', 'bob', 'ann', 'ann']) await come(user);
  assert.deepEqual(told, ['mcp ann proxy', 'mcp bob proxy']);
  t.mock.timers.tick(61 * MINUTE);
  for (const user of ['ann', 'ann']) await come(user);
  assert.equal(told.length, 3);
});
