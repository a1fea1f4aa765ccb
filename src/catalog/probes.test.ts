import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  FakeConnector,
  FakeLink,
  fakeRecord,
  OF_CALLERS,
  recordingLogger,
} from '../../test/support/fakes.ts';
import { until } from '../../test/support/wait.ts';
import { createMemoryCoordination } from '../coordination/memory/index.ts';
import { unavailable } from '../coordination/unavailable.ts';
import type { ServerRecord } from '../db/server-record.ts';
import { LoginRequired } from '../downstream/login-required.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { LastCheck } from './catalogs.ts';
import { ServerProbes } from './probes.ts';

const FRESH_MS = 45_000;
const RUNNING = new AbortController().signal;

function start(records: readonly ServerRecord[]) {
  const { catalogs: store } = createMemoryCoordination({ nodeId: 'n1' });
  /** Servers that do not answer, and why. */
  const down = new Map<string, GatewayError>();
  const links: FakeLink[] = [];
  let opening = 0;
  const state = { most: 0, hold: Promise.resolve(), asked: [] as string[], isAway: false };
  const connector = new FakeConnector(async (server) => {
    state.most = Math.max(state.most, ++opening);
    await state.hold;
    opening--;
    const reason = down.get(server.name);
    if (reason !== undefined) throw reason;
    const link = new FakeLink(server, () => undefined);
    links.push(link);
    return link;
  });
  const logger = recordingLogger();
  const probes = new ServerProbes({
    servers: {
      enabledHttp: async (after = '', limit) => {
        if (state.isAway) throw unavailable();
        return records.filter(({ id }) => id > after).slice(0, limit);
      },
    },
    connector,
    catalogs: {
      lastCheck: async ({ id, revision }): Promise<LastCheck | undefined> => {
        const last = await store.lastCheck(id);
        if (last?.revision !== revision) return undefined;
        return { checkedAt: new Date(last.check.checkedAt), error: last.check.error?.message };
      },
      operatorViewOf: async (record) => ({
        entry: async (id: string, fresh: boolean) => {
          assert.deepEqual([id, fresh], [record.id, true]);
          state.asked.push(id);
          return undefined;
        },
      }),
    },
    store,
    logger,
    freshMs: FRESH_MS,
    keepMs: 600_000,
  });
  const opened = () => connector.opened.map(({ server }) => server.name);
  return { probes, store, down, links, connector, logger, state, opened };
}

const many = (count: number) =>
  Array.from({ length: count }, (_, n) => fakeRecord(`s${String(n).padStart(4, '0')}`));

const AWAY = new GatewayError(Code.DownstreamUnavailable, 'Server "a" is down');

test('servers that nobody has asked are connected to and left again, and are known to be well', async () => {
  const { probes, store, links, connector, logger, opened } = start([fakeRecord('a'), fakeRecord('b')]);
  await probes.run(RUNNING);
  assert.deepEqual(opened().sort(), ['a', 'b']);
  assert.deepEqual(
    links.map(({ closed, requests }) => [closed, requests.length]),
    [
      [1, 0],
      [1, 0],
    ],
  );
  // Nothing of it is left, and nothing of what is in use was touched.
  const ids = connector.opened.map(({ server }) => server.id);
  assert.deepEqual([...connector.dropped].sort(), [...ids].sort());
  assert.ok(ids.every((id) => id !== 'a' && id !== 'b'));
  const { revision, check } = (await store.lastCheck('a'))!;
  assert.deepEqual([revision, check.error], [1, undefined]);
  assert.ok(Math.abs(Date.now() - check.checkedAt) < 60_000);
  assert.deepEqual(logger.lines, []);
});

test('a server that somebody has asked lately is left alone, unless it has changed since', async () => {
  const { probes, store, opened } = start([fakeRecord('fresh'), fakeRecord('old'), fakeRecord('changed')]);
  const checked = (id: string, ageMs: number, revision: number) =>
    store.noteCheck(
      id,
      { revision, check: { checkedAt: Date.now() - ageMs }, capabilities: { roots: {} } },
      600_000,
    );
  await checked('fresh', FRESH_MS - 30_000, 1);
  await checked('old', FRESH_MS, 1);
  await checked('changed', 0, 0);
  await probes.run(RUNNING);
  assert.deepEqual(opened().sort(), ['changed', 'old']);
  // What its clients can do is as it was: operators look as they do.
  assert.deepEqual((await store.lastCheck('old'))?.capabilities, { roots: {} });
});

test('one that does not answer is known to fail, since when, and the log says so once', async () => {
  const { probes, store, down, logger } = start([fakeRecord('a')]);
  down.set('a', AWAY);
  await probes.run(RUNNING);
  const first = (await store.lastCheck('a'))!.check;
  assert.deepEqual(first.error, { code: Code.DownstreamUnavailable, message: 'Server "a" is down' });
  assert.equal(first.failingSince, first.checkedAt);
  const past = { ...first, checkedAt: Date.now() - FRESH_MS, failingSince: 1 };
  await store.noteCheck('a', { revision: 1, check: past, capabilities: {} }, 600_000);
  await probes.run(RUNNING);
  const second = (await store.lastCheck('a'))!.check;
  assert.equal(second.failingSince, 1);
  assert.ok(second.checkedAt > past.checkedAt);
  assert.deepEqual(
    logger.lines.map(({ level, message, fields }) => [level, message, fields]),
    [['warn', 'a server does not answer', { server: 'a', reason: 'Server "a" is down' }]],
  );
});

test('one that wants a log-in is known to, without the address of the log-in', async () => {
  const { probes, store, down } = start([fakeRecord('a')]);
  down.set('a', new LoginRequired('a', 'needs a log-in', 'https://gateway.example/oauth/login/ticket'));
  await probes.run(RUNNING);
  const message = 'Server "a" needs a log-in: dragon server login a';
  assert.deepEqual((await store.lastCheck('a'))?.check.error, { code: Code.LoginRequired, message });
});

test('one that failed and answers is asked for its lists: only they tell whether it is well', async () => {
  const { probes, store, state } = start([fakeRecord('a')]);
  const error = { code: Code.DownstreamProtocol, message: 'tools/list failed' };
  const check = { checkedAt: Date.now() - FRESH_MS, error, failingSince: 1 };
  await store.noteCheck('a', { revision: 1, check, capabilities: {} }, 600_000);
  await probes.run(RUNNING);
  assert.deepEqual(state.asked, ['a']);
  assert.deepEqual((await store.lastCheck('a'))?.check, check);
});

test('a server whose secrets cannot be read is not connected to', async () => {
  const { probes, opened } = start([fakeRecord('a', { enabled: false, unreadable: 'a key is missing' })]);
  await probes.run(RUNNING);
  assert.deepEqual(opened(), []);
});

test('a server that is called with tokens of callers is not connected to without one', async () => {
  const { probes, opened } = start([fakeRecord('a', { target: OF_CALLERS })]);
  await probes.run(RUNNING);
  assert.deepEqual(opened(), []);
});

test('however many there are, each is asked once, and few at a time', async () => {
  const { probes, opened, state } = start(many(1000));
  const { promise, resolve } = Promise.withResolvers<void>();
  state.hold = promise;
  const done = probes.run(RUNNING);
  await until(() => state.most > 1, { what: 'several at a time' });
  resolve();
  await done;
  assert.equal(new Set(opened()).size, 1000);
  assert.equal(opened().length, 1000);
  assert.ok(state.most <= 16, `${state.most} at a time`);
});

test('what is wrong with one keeps nobody from the others', async () => {
  const { probes, down, opened, logger, store } = start(many(40));
  down.set('s0003', new GatewayError(Code.Internal, 'Internal error', { cause: new Error('a bug') }));
  await probes.run(RUNNING);
  assert.equal(opened().length, 40);
  assert.equal(await store.lastCheck('s0003'), undefined);
  assert.deepEqual(
    logger.lines.map(({ level, message }) => `${level} ${message}`),
    ['error a server could not be probed'],
  );
});

test('where servers cannot be read, or the gateway stops, the run ends', async () => {
  const { probes, state, down, opened } = start(many(500));
  state.isAway = true;
  await assert.rejects(probes.run(RUNNING), { code: Code.Unavailable });
  state.isAway = false;
  for (const { name } of many(500)) down.set(name, unavailable());
  await assert.rejects(probes.run(RUNNING), { code: Code.Unavailable });
  assert.ok(opened().length < 500);
});

test('a run that is told to end does, and says nothing of those it was at', async () => {
  const { probes, store, state, opened, logger } = start(many(500));
  const { promise, resolve } = Promise.withResolvers<void>();
  state.hold = promise;
  const abort = new AbortController();
  const done = probes.run(abort.signal);
  await until(() => opened().length === 16, { what: 'the first ones' });
  abort.abort();
  resolve();
  await done;
  assert.equal(opened().length, 16);
  assert.equal(await store.lastCheck('s0000'), undefined);
  assert.deepEqual(logger.lines, []);
});
