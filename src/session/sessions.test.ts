import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { recordingLogger, turns, turnsUntil } from '../../test/support/fakes.ts';
import type { Principal } from '../auth/principal.ts';
import { createMemoryCoordination, MemoryHub } from '../coordination/memory/index.ts';
import type { StoredLink } from '../coordination/session-store.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { StreamWriter } from './client-stream.ts';
import type { ClientHello, Session } from './session.ts';
import { Sessions } from './sessions.ts';

const IDLE_MS = 3_600_000;
const ALICE: Principal = { tenantId: 't', userId: 'alice', roles: ['user'] };
const HELLO: ClientHello = {
  protocolVersion: '2025-06-18',
  clientInfo: { name: 'client', version: '1' },
  capabilities: { roots: {} },
};

const connection = (): StreamWriter & { ended: number } => ({
  ended: 0,
  write: () => true,
  begin: () => {},
  part: () => true,
  finish: () => {},
  end() {
    this.ended++;
  },
});

/** One node of a cluster, in mocked time. */
function node(t: TestContext, hub: MemoryHub, nodeId: string) {
  const coordination = createMemoryCoordination({ nodeId, hub });
  const gone: { readonly session: Session; readonly links: readonly StoredLink[] | undefined }[] = [];
  const moved: Session[] = [];
  const sessions = new Sessions({
    idleMs: IDLE_MS,
    limits: { maxSize: 1000, keepMs: 1000 },
    store: coordination.sessions,
    log: coordination.streams,
    bus: coordination.bus,
    logger: recordingLogger(),
    onGone: (session, links) => gone.push({ session, links }),
    onMoved: (session) => moved.push(session),
    onLinked: () => {},
  });
  t.after(async () => {
    await sessions.close();
    await coordination.close();
  });
  return { sessions, gone, moved, store: coordination.sessions, coordination };
}

function start(t: TestContext) {
  t.mock.timers.enable({ apis: ['setInterval', 'Date'] });
  const hub = new MemoryHub();
  return {
    one: node(t, hub, 'n1'),
    two: node(t, hub, 'n2'),
    pass: async (ms: number) => {
      // Sweeps are ten seconds apart; each is let finish before the next.
      for (let left = ms; left > 0; left -= 10_000) {
        t.mock.timers.tick(Math.min(left, 10_000));
        await turns();
      }
    },
  };
}

const NOT_FOUND = { code: Code.SessionNotFound, message: 'Session not found; initialize again' };

async function notFound(sessions: Sessions, principal: Principal, id: string): Promise<void> {
  await assert.rejects(async () => sessions.find(principal, id), NOT_FOUND);
}

test('a session is found again by its own principal, at once on the node that has it in hand', async (t) => {
  const { one } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  assert.equal(one.sessions.find({ ...ALICE, roles: [...ALICE.roles] }, session.id), session);
  assert.match(session.id, /^[\x21-\x7e]{32}$/);
  assert.equal(one.sessions.size, 1);
});

test('an unknown session, an ended one and another principal’s look the same', async (t) => {
  const { one, two } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  const others: Principal[] = [
    { ...ALICE, userId: 'bob' },
    { ...ALICE, tenantId: 'u' },
    { ...ALICE, userId: 't', tenantId: 'alice' },
    { ...ALICE, roles: [...ALICE.roles, 'z'] },
    { ...ALICE, roles: ['other'] },
  ];
  for (const { sessions } of [one, two]) {
    for (const other of others) await notFound(sessions, other, session.id);
    for (const id of ['', 'x', '__proto__', session.id.slice(1)]) await notFound(sessions, ALICE, id);
  }
  await one.sessions.end(session);
  await turns();
  for (const { sessions } of [one, two]) await notFound(sessions, ALICE, session.id);
});

test('ids are not to be guessed: no two are alike', async (t) => {
  const { one } = start(t);
  const ids = await Promise.all(
    Array.from({ length: 100 }, async () => (await one.sessions.open(ALICE, HELLO)).id),
  );
  assert.equal(new Set(ids).size, 100);
});

test('another node takes a session in hand as it is, once for as many requests as come', async (t) => {
  const { one, two } = start(t);
  const { id } = await one.sessions.open(ALICE, HELLO);
  await one.store.setLogLevel(id, 'debug');
  await one.store.setSubscription(id, 'files', 'u:1', true);
  const [first, second] = await Promise.all([two.sessions.find(ALICE, id), two.sessions.find(ALICE, id)]);
  assert.equal(first, second);
  assert.deepEqual([first.principal, first.hello, first.logLevel], [ALICE, HELLO, 'debug']);
  assert.deepEqual(first.state.subscriptions, { files: ['u:1'] });
  assert.equal(two.sessions.find(ALICE, id), first);
});

test('a session that ends on one node ends on all: requests are cancelled, streams closed, each told once', async (t) => {
  const { one, two } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  const there = await two.sessions.find(ALICE, session.id);
  const cancelled: string[] = [];
  session.inFlight.set('1', {
    cancel: () => {
      session.inFlight.delete('1');
      cancelled.push('here');
    },
  });
  there.inFlight.set('2', { cancel: () => cancelled.push('there') });
  const stream = connection();
  await there.stream.attach(stream, undefined, false);
  const requestStream = connection();
  session.openRequestStream(1).attach(requestStream, undefined);
  await one.sessions.end(session);
  await one.sessions.end(session);
  await turnsUntil(() => two.gone.length > 0, 'the other node');
  assert.deepEqual(cancelled, ['here', 'there']);
  assert.deepEqual([stream.ended, requestStream.ended], [1, 1]);
  assert.deepEqual(
    [one.gone.map(({ links }) => links), two.gone.map(({ links }) => links)],
    [[[]], [undefined]],
  );
  assert.deepEqual([one.sessions.size, two.sessions.size], [0, 0]);
});

test('the node on which a session ends is told what it had with servers', async (t) => {
  const { one } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  const link: StoredLink = {
    serverId: 's',
    revision: 1,
    sessionId: 'x',
    transport: 'streamable',
    handshake: {},
  };
  await one.store.claimLink(session.id, link, undefined);
  await one.sessions.end(session);
  assert.deepEqual(one.gone[0]?.links, [link]);
});

test('a request is cancelled on whichever other node it runs', async (t) => {
  const { one, two } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  const there = await two.sessions.find(ALICE, session.id);
  const cancelled: string[] = [];
  there.inFlight.set('"a"', { cancel: () => cancelled.push('a') });
  there.inFlight.set('1', { cancel: () => cancelled.push('1') });
  await one.sessions.cancelElsewhere(session, '"a"');
  await turnsUntil(() => cancelled.length > 0, 'the cancellation');
  assert.deepEqual(cancelled, ['a']);
});

test('a session that nobody uses ends; one that is used, listened to or waited for does not', async (t) => {
  const { one, pass } = start(t);
  const [idle, used, listened, waiting] = await Promise.all(
    [1, 2, 3, 4].map(() => one.sessions.open(ALICE, HELLO)),
  );
  assert.ok(idle && used && listened && waiting);
  await listened.stream.attach(connection(), undefined, false);
  waiting.inFlight.set('1', { cancel: () => waiting.inFlight.clear() });
  await pass(IDLE_MS / 2);
  await one.sessions.find(ALICE, used.id);
  await pass(IDLE_MS / 2 + 20_000);
  assert.deepEqual(
    one.gone.map(({ session }) => session),
    [idle],
  );
  for (const { id } of [used, listened, waiting]) assert.equal((await one.sessions.find(ALICE, id)).id, id);
  await notFound(one.sessions, ALICE, idle.id);
});

test('a node that no longer needs a session lets go of it, and it lives on where it is used', async (t) => {
  const { one, two, pass } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  for (let round = 0; round < 4; round++) {
    await two.sessions.find(ALICE, session.id);
    await pass(IDLE_MS / 2);
  }
  assert.deepEqual([one.sessions.size, two.sessions.size], [0, 1]);
  assert.deepEqual(one.gone, [{ session, links: undefined }]);
  assert.equal((await one.sessions.find(ALICE, session.id)).id, session.id);
});

test('a session is let go once, however long the store takes', async (t) => {
  const { one, two, pass } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  await two.sessions.find(ALICE, session.id);
  const slow = Promise.withResolvers<void>();
  const unload = one.store.unload.bind(one.store);
  one.store.unload = async (...args) => {
    const isLast = await unload(...args);
    await slow.promise;
    return isLast;
  };
  await pass(IDLE_MS + 60_000);
  slow.resolve();
  await turns();
  assert.equal(one.gone.length, 1);
});

test('a session that is gone from the store is let go of at the next look', async (t) => {
  const { one, pass } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  await one.store.delete(session.id);
  await pass(10_000);
  assert.deepEqual(one.gone, [{ session, links: undefined }]);
});

test('while the store is away sessions in hand go on, and no new one is opened', async (t) => {
  const { one, pass } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  const away = async () => {
    throw new GatewayError(Code.Unavailable, 'away');
  };
  Object.assign(one.store, { touch: away, create: away, load: away, unload: away });
  await pass(30_000);
  assert.equal(one.sessions.find(ALICE, session.id), session);
  await assert.rejects(one.sessions.open(ALICE, HELLO), { code: Code.Unavailable });
  await assert.rejects(async () => one.sessions.find(ALICE, 'other'), { code: Code.Unavailable });
  assert.deepEqual([one.sessions.size, one.gone.length], [1, 0]);
});

test('an end that the store did not hear of is no end: the caller is told', async (t) => {
  const { one } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  const remove = one.store.delete;
  one.store.delete = async () => {
    throw new GatewayError(Code.Unavailable, 'away');
  };
  await assert.rejects(one.sessions.end(session), { code: Code.Unavailable });
  assert.equal(one.gone.length, 1);
  one.store.delete = remove;
  await one.sessions.end(await one.sessions.find(ALICE, session.id));
  await notFound(one.sessions, ALICE, session.id);
});

test('connections are counted, over all streams', async (t) => {
  const { one } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  await session.stream.attach(connection(), undefined, false);
  session.openRequestStream(1).attach(connection(), undefined);
  assert.equal(one.sessions.streams, 2);
  one.sessions.disconnect();
  assert.equal(one.sessions.streams, 1);
});

test('a node that stops leaves its sessions to the others, and ends those that only it has', async (t) => {
  const { one, two } = start(t);
  const [shared, own] = [await one.sessions.open(ALICE, HELLO), await one.sessions.open(ALICE, HELLO)];
  await two.sessions.find(ALICE, shared.id);
  await one.sessions.close();
  assert.deepEqual(
    new Map(one.gone.map(({ session, links }) => [session, links])),
    new Map([
      [shared, undefined],
      [own, []],
    ]),
  );
  assert.equal((await two.sessions.find(ALICE, shared.id)).id, shared.id);
  await notFound(two.sessions, ALICE, own.id);
});

test('a client that connects elsewhere is told of to the node it was at', async (t) => {
  const { one, two } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  await session.stream.attach(connection(), undefined, false);
  const there = await two.sessions.find(ALICE, session.id);
  await there.stream.attach(connection(), undefined, false);
  await turnsUntil(() => one.moved.length > 0, 'the news');
  assert.deepEqual(one.moved, [session]);
});

test('what one node sends reaches the client at the other', async (t) => {
  const { one, two } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  const there = await two.sessions.find(ALICE, session.id);
  const seen: string[] = [];
  await there.stream.attach({ ...connection(), write: (data) => seen.push(data) > 0 }, undefined, false);
  session.stream.send('hello');
  await turnsUntil(() => seen.length > 0, 'the message');
  assert.deepEqual(seen, ['hello']);
});

test('a request’s stream is known until some time after its end', async (t) => {
  const { one, pass } = start(t);
  const session = await one.sessions.open(ALICE, HELLO);
  const [open, ended] = [session.openRequestStream(1), session.openRequestStream(1)];
  assert.notEqual(open.id, ended.id);
  for (const stream of [open, ended]) stream.send('x');
  ended.end();
  assert.equal(session.requestStream(ended.id), ended);
  await pass(20_000);
  assert.deepEqual([session.requestStream(open.id), session.requestStream(ended.id)], [open, undefined]);
});
