import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { recordingLogger, turns, turnsUntil } from '../../test/support/fakes.ts';
import type { Principal } from '../auth/principal.ts';
import { createMemoryCoordination, MemoryHub } from '../coordination/memory/index.ts';
import type { StoredLink } from '../coordination/session-store.ts';
import { retireSessions } from './retire.ts';
import type { ClientHello, Session } from './session.ts';
import { Sessions } from './sessions.ts';

const IDLE_MS = 3_600_000;
const ALICE: Principal = { tenantId: 't', userId: 'alice', roles: ['user'] };
const HELLO: ClientHello = { protocolVersion: '2025-06-18', clientInfo: {}, capabilities: { roots: {} } };
const LINK: StoredLink = { serverId: 's', revision: 1, transport: 'streamable', handshake: {} };
const RUNNING = new AbortController().signal;

/** One node of a cluster, in mocked time. */
function node(t: TestContext, hub: MemoryHub, nodeId: string) {
  const { sessions: store, streams: log, bus } = createMemoryCoordination({ nodeId, hub });
  const gone: Session[] = [];
  const closed: unknown[] = [];
  const sessions = new Sessions({
    idleMs: IDLE_MS,
    limits: { maxSize: 1000, keepMs: 1000 },
    store,
    log,
    bus,
    logger: recordingLogger(),
    onGone: (session) => gone.push(session),
    onMoved: () => {},
    onLinked: () => {},
  });
  t.after(() => sessions.close());
  const closeLinks = async (...what: unknown[]) => {
    closed.push(what);
  };
  const retire = (signal = RUNNING) => retireSessions({ idleMs: IDLE_MS, store, bus, closeLinks }, signal);
  return { sessions, store, gone, closed, retire };
}

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const hub = new MemoryHub();
  const pass = async (ms: number) => {
    t.mock.timers.tick(ms);
    await turns();
  };
  return { one: node(t, hub, 'n1'), two: node(t, hub, 'n2'), pass };
}

/** A session of a node that has died. */
async function orphan({ store }: ReturnType<typeof node>, id: string, links: readonly StoredLink[] = []) {
  const { tenantId, userId, roles } = ALICE;
  const session = { id, tenantId, userId, roles, ...HELLO, createdAt: Date.now() };
  await store.create(session, 'dead', IDLE_MS + 120_000);
  for (const link of links) await store.claimLink(id, link, undefined);
}

test('a session whose nodes have died is ended when it is overdue, with what it has at servers', async (t) => {
  const { one, two, pass } = start(t);
  await orphan(one, 'a', [LINK]);
  await pass(IDLE_MS);
  assert.equal(await one.retire(), 0);
  await pass(60_000);
  assert.deepEqual((await Promise.all([one.retire(), two.retire()])).sort(), [0, 1]);
  assert.deepEqual([...one.closed, ...two.closed], [[ALICE, HELLO, [LINK]]]);
  assert.equal(await one.store.peek('a'), undefined);
});

test('nothing is closed for a session that has nothing at servers', async (t) => {
  const { one, pass } = start(t);
  await orphan(one, 'a');
  await pass(IDLE_MS + 60_000);
  assert.equal(await one.retire(), 1);
  assert.deepEqual(one.closed, []);
});

test('however many are overdue, all are ended', async (t) => {
  const { one, pass } = start(t);
  for (let n = 0; n < 70; n++) await orphan(one, `s${n}`, [LINK]);
  await pass(IDLE_MS + 60_000);
  assert.equal(await one.retire(), 70);
  assert.equal(one.closed.length, 70);
});

test('a session that a node has in hand is not overdue while it is used', async (t) => {
  const { one, two, pass } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  for (let n = 0; n < 500; n++) {
    await one.sessions.find(ALICE, session.id);
    await pass(10_000);
    assert.equal(await two.retire(), 0);
  }
  assert.equal((await one.sessions.find(ALICE, session.id)).id, session.id);
});

test('a node that has it in hand and cannot say so is told, and lets go of it', async (t) => {
  const { one, two, pass } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  const cancelled: string[] = [];
  session.inFlight.set('1', { cancel: () => cancelled.push('1') });
  one.store.touch = async () => {
    throw new Error('away');
  };
  for (let n = 0; n < 367; n++) await pass(10_000);
  assert.equal(await two.retire(), 1);
  await turnsUntil(() => one.gone.length > 0, 'the other node');
  assert.deepEqual([one.gone, cancelled], [[session], ['1']]);
});

test('whoever is asked to stop does', async (t) => {
  const { one, pass } = start(t);
  await orphan(one, 'a', [LINK]);
  await pass(IDLE_MS + 60_000);
  assert.equal(await one.retire(AbortSignal.abort()), 0);
  assert.ok(await one.store.peek('a'));
});
