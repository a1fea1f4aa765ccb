import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fakeRecord, recordingLogger } from '../../test/support/fakes.ts';
import type { Owner } from '../auth/principal.ts';
import type { SubjectToken } from '../auth/subject-tokens.ts';
import { MemoryBus } from '../coordination/memory/bus.ts';
import { MemoryHub } from '../coordination/memory/hub.ts';
import type { ClientGrant } from '../db/server-record.ts';
import { type DownstreamServer, downstreamServer } from '../downstream/port.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { Changes } from './changes.ts';
import { ExchangedTokens } from './exchanged-tokens.ts';

const START = 1_000_000;
const ANN: Owner = { tenantId: 'acme', userId: 'ann' };
const BOB: Owner = { tenantId: 'acme', userId: 'bob' };
const GRANT: ClientGrant = {
  grant: 'token_exchange',
  clientId: 'c',
  authMethod: 'client_secret_basic',
  clientSecret: 's',
  scopes: [],
  issuer: 'https://issuer.example',
};

/** A shared server, as somebody uses it. */
function used(owner: Owner, oauth = GRANT): DownstreamServer {
  const target = { kind: 'http', url: 'https://docs.example/mcp', headers: {}, oauth } as const;
  return downstreamServer(
    fakeRecord('docs', { owner, lender: { tenantId: 'acme', userId: 'boss' }, target }),
  );
}

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['Date'], now: START });
  const subjects = new Map<string, SubjectToken>();
  const exchanged: string[] = [];
  const state = { failure: undefined as GatewayError | undefined, seconds: 100 as number | undefined };
  const bus = new MemoryBus('n1', new MemoryHub(), undefined);
  const changes = new Changes(bus);
  t.after(() => {
    changes.close();
    return bus.close();
  });
  const tokens = new ExchangedTokens({
    changes,
    subjects: { of: ({ userId }) => subjects.get(userId) },
    logger: recordingLogger(),
    exchange: async (_server, _grant, subject) => {
      exchanged.push(subject.token);
      if (state.failure !== undefined) throw state.failure;
      const { seconds } = state;
      const accessToken = `for ${subject.token} ${exchanged.length}`;
      return { accessToken, ...(seconds === undefined ? {} : { expiresAt: Date.now() + seconds * 1000 }) };
    },
  });
  const has = (owner: Owner, token: string, seconds = 1000) =>
    subjects.set(owner.userId, { token, endsAt: START + seconds * 1000 });
  const headerOf = async (owner: Owner, oauth?: ClientGrant) =>
    (await tokens.of(used(owner, oauth))).header[1];
  return { tokens, changes, subjects, exchanged, state, has, headerOf };
}

const refusal = (used: { header: readonly [string, string]; version: number }, isSecondTry = false) => ({
  status: 401,
  wwwAuthenticate: undefined,
  used,
  isSecondTry,
});

test('each caller has one of its own, exchanged for once until its end', async (t) => {
  const { has, headerOf, exchanged, subjects } = start(t);
  await assert.rejects(headerOf(ANN), /Server "docs" takes a token that its caller's own is exchanged for/);
  has(ANN, 'a');
  has(BOB, 'b');
  assert.deepEqual(await Promise.all([headerOf(ANN), headerOf(ANN), headerOf(BOB)]), [
    'Bearer for a 1',
    'Bearer for a 1',
    'Bearer for b 2',
  ]);
  subjects.clear();
  assert.equal(await headerOf(ANN), 'Bearer for a 1');
  t.mock.timers.tick(100_000);
  await assert.rejects(headerOf(ANN), /this node has none of yours/);
  has(ANN, 'next');
  assert.equal(await headerOf(ANN), 'Bearer for next 3');
  assert.deepEqual(exchanged, ['a', 'b', 'next']);
});

test('it is replaced in the background before its end', async (t) => {
  const { has, headerOf, tokens, state } = start(t);
  has(ANN, 'a');
  const first = await tokens.of(used(ANN));
  t.mock.timers.tick(80_001);
  assert.equal(tokens.of(used(ANN)), first);
  await new Promise(setImmediate);
  assert.equal(await headerOf(ANN), 'Bearer for a 2');
  t.mock.timers.tick(80_001);
  state.failure = new GatewayError(Code.DownstreamUnavailable, 'away');
  assert.equal(await headerOf(ANN), 'Bearer for a 2');
  await new Promise(setImmediate);
  assert.equal(await headerOf(ANN), 'Bearer for a 2');
  t.mock.timers.tick(20_000);
  await assert.rejects(headerOf(ANN), /away/);
});

test('without a time it is good as long as what it was exchanged for', async (t) => {
  const { has, headerOf, state } = start(t);
  state.seconds = undefined;
  has(ANN, 'a', 30);
  await headerOf(ANN);
  t.mock.timers.tick(30_000);
  has(ANN, 'b');
  assert.equal(await headerOf(ANN), 'Bearer for b 2');
});

test('a refused exchange is not asked for anew with the same token for a while', async (t) => {
  const { has, headerOf, exchanged, state, changes } = start(t);
  has(ANN, 'a');
  state.failure = new GatewayError(Code.LoginRequired, 'refused');
  for (let count = 0; count < 3; count++) await assert.rejects(headerOf(ANN), /refused/);
  assert.equal(exchanged.length, 1);
  has(ANN, 'b');
  await assert.rejects(headerOf(ANN), /refused/);
  assert.equal(exchanged.length, 2);
  changes.tell(used(ANN).id);
  await assert.rejects(headerOf(ANN), /refused/);
  assert.equal(exchanged.length, 3);
  state.failure = undefined;
  t.mock.timers.tick(5000);
  assert.equal(await headerOf(ANN), 'Bearer for b 4');
});

test('it is forgotten with a change, and serves no other settings', async (t) => {
  const { has, headerOf, changes } = start(t);
  has(ANN, 'a');
  await headerOf(ANN);
  changes.tell(used(ANN).id);
  assert.equal(await headerOf(ANN), 'Bearer for a 2');
  assert.equal(await headerOf(ANN, { ...GRANT, audience: 'other' }), 'Bearer for a 3');
});

test('one that the server refuses is replaced once', async (t) => {
  const { has, tokens, exchanged } = start(t);
  has(ANN, 'a');
  const server = used(ANN);
  const first = await tokens.of(server);
  const second = await tokens.refused(server, refusal(first));
  assert.ok(second !== undefined && second.version !== first.version);
  // Who was slower has what is there now.
  assert.equal(await tokens.refused(server, refusal(first)), second);
  await assert.rejects(tokens.refused(server, refusal(second, true)), /does not accept the token/);
  await assert.rejects(tokens.refused(server, refusal(second)), /does not accept the token/);
  assert.equal(exchanged.length, 2);
  const forbidden = { ...refusal(second), status: 403 };
  assert.equal(await tokens.refused(server, forbidden), undefined);
  const wwwAuthenticate = 'Bearer error="insufficient_scope", scope="more"';
  await assert.rejects(tokens.refused(server, { ...forbidden, wwwAuthenticate }), /more scopes: more/);
});
