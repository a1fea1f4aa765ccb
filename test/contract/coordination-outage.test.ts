import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, afterEach, before, describe, test } from 'node:test';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import {
  isUnavailable,
  LONG_MS,
  makeSession,
  type RedisNode,
  startRedisNode,
  uniqueId,
} from '../support/coordination.ts';
import { recordingLogger } from '../support/fakes.ts';
import { type OwnRedis, startOwnRedis } from '../support/redis.ts';
import { freePort } from '../support/redis-process.ts';
import { append, logged } from '../support/streams.ts';
import { until } from '../support/wait.ts';

describe('when Redis is away', () => {
  let redis: OwnRedis;
  let nodes: RedisNode[] = [];
  before(async () => {
    redis = await startOwnRedis();
  });
  afterEach(async () => {
    await redis.resume();
    await Promise.all(nodes.splice(0).map((node) => node.close()));
  });
  after(() => redis.stop());

  async function two(): Promise<[RedisNode, RedisNode]> {
    // Commands are to fail soon here; that they fail while Redis is away shows that they do not wait for it.
    const make = (name: string) => startRedisNode(redis, uniqueId(name), { commandTimeoutMs: 400 });
    const pair: [RedisNode, RedisNode] = [await make('a'), await make('b')];
    nodes = [...pair];
    return pair;
  }

  test('every method rejects while it is down, and works again once it is back', async () => {
    const [a, b] = await two();
    await redis.kill();
    const lease = { owner: a.nodeId, token: 1 };
    const session = makeSession();
    const catalog = { serverId: 's', revision: 1, scope: 'x' };
    const calls: (() => Promise<unknown>)[] = [
      () => a.sessions.create(session, a.nodeId, LONG_MS),
      () => a.sessions.load('s', a.nodeId, LONG_MS),
      () => a.sessions.peek('s'),
      () => a.sessions.touch(['s', 't'], LONG_MS),
      () => a.sessions.unload('s', a.nodeId),
      () => a.sessions.setLogLevel('s', 'info'),
      () => a.sessions.setSubscription('s', 'x', 'y', true),
      () => a.sessions.setSubscription('s', 'x', 'y', false),
      () => a.sessions.dropLink('s', 'x'),
      () => a.sessions.delete('s'),
      () => a.sessions.retire(60_000, 10),
      () => a.sessions.nodesOf('s'),
      () => append(a.streams, 's', 'x'),
      () => a.streams.take('s', { nodeId: a.nodeId, producer: 'p', takes: 0 }, { sequence: 0 }),
      () => a.streams.read('s', 'p', 0),
      () => a.streams.delivered('s', 1),
      () => a.streams.leave('s', 1),
      () => a.bus.send(b.nodeId, { kind: 'test' }),
      () => a.bus.broadcast({ kind: 'test' }),
      () => a.leases.acquire('r', a.nodeId, LONG_MS),
      () => a.leases.renew('r', lease, LONG_MS),
      () => a.leases.release('r', lease),
      () => a.leases.holder('r'),
      () => a.catalogs.read(catalog, undefined),
      () => a.catalogs.write(catalog, { token: 1, check: { checkedAt: 1 }, capabilities: {} }, LONG_MS),
      () => a.catalogs.keep(catalog, LONG_MS),
      () => a.catalogs.lastCheck('s'),
      () => a.catalogs.noteCheck('s', { revision: 1, check: { checkedAt: 1 }, capabilities: {} }, LONG_MS),
      () => a.members.list(),
      () => a.members.isAlive('a'),
      () => a.members.leave('a'),
      () => a.ping(),
    ];
    for (const call of calls) await assert.rejects(call(), isUnavailable, String(call));
    await redis.start();
    await healed(a, b);
    await a.sessions.create(session, a.nodeId, LONG_MS);
    assert.deepEqual((await b.sessions.load(session.id, b.nodeId, LONG_MS))?.session, session);
  });

  test('a restart in the middle: the bus is heard again, the gap is told, leases are taken anew with higher tokens', async () => {
    const [a, b] = await two();
    const heard: unknown[] = [];
    b.bus.on('test', (message) => heard.push(message['n']));
    const before = await a.leases.acquire('resource', a.nodeId, LONG_MS);
    await redis.restart();
    await healed(a, b);
    await until(() => a.gaps() > 0 && b.gaps() > 0, { what: 'the gap to be told' });
    assert.equal(await a.bus.send(b.nodeId, { kind: 'test', n: 1 }), true);
    await a.bus.broadcast({ kind: 'test', n: 2 });
    await until(() => heard.length === 2, { what: 'messages' });
    assert.deepEqual(heard, [1, 2]);
    // The data is lost with this server, and so is the lease; its token must not come again.
    assert.equal(await a.leases.renew('resource', before, LONG_MS), false);
    const next = await b.leases.acquire('resource', b.nodeId, LONG_MS);
    assert.equal(next.owner, b.nodeId);
    assert.ok(next.token > before.token);
  });

  test('the log gets one line when it goes and one when it is back', async () => {
    const [a] = await two();
    await redis.kill();
    for (let i = 0; i < 5; i++) await assert.rejects(a.members.list(), isUnavailable);
    await until(() => a.lines.length > 0, { what: 'the first line' });
    await redis.start();
    await until(() => a.lines.length > 1, { what: 'the second line' });
    await a.ping();
    assert.deepEqual(
      a.lines.map(({ level, message }) => `${level} ${message}`),
      ['warn Redis is away', 'info Redis is back'],
    );
  });

  test('it is noticed without commands, and logged', async () => {
    const [a] = await two();
    await redis.restart();
    await until(() => a.lines.some(({ message }) => message === 'Redis is back'), { what: 'the log' });
    assert.equal(a.lines[0]?.message, 'Redis is away');
  });

  test('paused: commands reject while it is, and work again after', async () => {
    const [a, b] = await two();
    const session = makeSession();
    await a.sessions.create(session, a.nodeId, LONG_MS);
    await redis.pause();
    // Redis stays paused until all of these have been rejected.
    await assert.rejects(a.sessions.peek(session.id), isUnavailable);
    await assert.rejects(append(b.streams, session.id, 'x'), isUnavailable);
    await assert.rejects(a.ping(), isUnavailable);
    await assert.rejects(b.bus.send(a.nodeId, { kind: 'test' }), isUnavailable);
    await redis.resume();
    await healed(a, b);
    assert.ok(await b.sessions.peek(session.id));
  });

  test('paused for long: connections that stay silent are given up and opened anew', async () => {
    const [a, b] = await two();
    await redis.pause();
    // Nobody sends a command: it is the subscriptions' own pings that find out.
    const subscription = ({ lines }: RedisNode) =>
      String(lines[0]?.fields['part']).startsWith('subscription');
    await until(() => subscription(a) && subscription(b), { what: 'the subscriptions to be given up' });
    await assert.rejects(a.ping(), isUnavailable);
    await redis.resume();
    await healed(a, b);
    await until(() => a.gaps() === 1 && b.gaps() === 1, { what: 'the gaps to be told' });
  });

  test('connections that are cut, again and again, come back', async () => {
    const [a, b] = await two();
    const heard: unknown[] = [];
    b.bus.on('test', (message) => heard.push(message['n']));
    const session = makeSession();
    await a.sessions.create(session, a.nodeId, LONG_MS);
    for (let n = 1; n <= 5; n++) {
      await redis.killConnections();
      await until(() => a.gaps() >= n && b.gaps() >= n, { what: 'both gaps' });
      await healed(a, b);
      assert.equal(await a.bus.send(b.nodeId, { kind: 'test', n }), true);
      await until(() => heard.includes(n), { what: 'the message' });
      assert.ok(await b.sessions.peek(session.id));
    }
    assert.deepEqual(heard, [1, 2, 3, 4, 5]);
  });

  test('events that were acknowledged are all there after cuts, in their order', async () => {
    const [a] = await two();
    const session = makeSession();
    await a.sessions.create(session, a.nodeId, LONG_MS);
    const acknowledged = new Map<number, string>();
    let cuts = 0;
    for (let n = 0; acknowledged.size < 200; n++) {
      if (n % 50 === 25 && cuts < 4) {
        cuts++;
        await redis.killConnections();
      }
      try {
        acknowledged.set((await append(a.streams, session.id, `event ${n}`)).sequence, `event ${n}`);
      } catch (error) {
        assert.ok(isUnavailable(error), String(error));
        await until(() => a.ping().then(() => true), { what: 'the connection' });
      }
    }
    const kept = new Map((await logged(a.streams, session.id)).map(({ sequence, data }) => [sequence, data]));
    for (const [sequence, data] of acknowledged) assert.equal(kept.get(sequence), data);
    // What was not acknowledged may be there, once.
    assert.equal(new Set(kept.values()).size, kept.size);
  });

  test('scripts that the server has forgotten are sent again', async () => {
    const [a] = await two();
    const session = makeSession();
    await a.sessions.create(session, a.nodeId, LONG_MS);
    await redis.call('SCRIPT', 'FLUSH');
    const answers = await Promise.all(Array.from({ length: 20 }, () => append(a.streams, session.id, 'x')));
    assert.deepEqual(
      answers.map(({ sequence }) => sequence).sort((x, y) => x - y),
      Array.from({ length: 20 }, (_, i) => i + 1),
    );
  });

  test('a node that closes while it is away ends', async () => {
    const [a] = await two();
    await redis.kill();
    await assert.rejects(a.ping(), isUnavailable);
    await a.close();
    await assert.rejects(a.ping(), isUnavailable);
    await redis.start();
  });
});

describe('a start while Redis loads its data', () => {
  /** Of which it reads one in 20 ms. */
  const KEYS = 5000;
  let redis: OwnRedis;
  before(async () => {
    const slow = '--key-load-delay 20000 --loading-process-events-interval-bytes 1024 --rdbcompression no';
    redis = await startOwnRedis({ args: [slow] });
    const script = 'for i = 1, tonumber(ARGV[1]) do redis.call("SET", "k" .. i, ARGV[2]) end';
    await redis.call('EVAL', script, 0, KEYS, 'x'.repeat(1024));
    await redis.call('SAVE');
    await redis.kill();
  });
  after(() => redis.stop());

  const at = () => ({ url: redis.url, keyPrefix: redis.keyPrefix });
  /** On a connection of its own, whatever Redis is at. */
  const tell = (line: string) =>
    new Promise<string>((resolve, reject) => {
      const socket = connect(redis.port, '127.0.0.1', () => socket.write(`${line}\r\n`));
      socket.once('data', (data) => {
        resolve(data.toString());
        socket.destroy();
      });
      socket.once('error', reject);
    });

  test('waits for it beyond the time for one that is not there, tells the log once, and not for ever', async (t) => {
    const starting = redis.start();
    const goOn = () => tell('CONFIG SET key-load-delay 0');
    t.after(async () => {
      await goOn();
      await starting;
    });
    await until(async () => (await tell('PING')).startsWith('-LOADING'), { what: 'it to load' });
    await assert.rejects(
      startRedisNode(at(), 'late', { startTimeoutMs: 1500, loadingTimeoutMs: 2000 }),
      (error) => error instanceof GatewayError && /\(REDIS_URL\).*LOADING/.test(error.message),
    );
    const startedAt = performance.now();
    const logger = recordingLogger();
    const node = startRedisNode(at(), 'a', { startTimeoutMs: 1500, logger });
    node.catch(() => undefined);
    await until(() => performance.now() - startedAt > 2000, { what: 'the time for one that is not there' });
    assert.match(await goOn(), /OK/);
    await (await node).close();
    assert.deepEqual(
      logger.lines.map(({ level, message, fields: { reason = '' } }) => [level, message, reason]),
      [
        [
          'warn',
          'Redis is not there yet, and is waited for',
          'LOADING Redis is loading the dataset in memory',
        ],
        ['info', 'Redis is there', ''],
      ],
    );
  });
});

describe('a start without Redis', () => {
  test('fails, and says where it was looked for, but no password', async () => {
    const port = await freePort();
    const url = `redis://user:sesame@127.0.0.1:${port}`;
    await assert.rejects(
      startRedisNode({ url, keyPrefix: 'x:' }, 'a', { startTimeoutMs: 300 }),
      (error: unknown) => {
        assert.ok(error instanceof GatewayError);
        assert.equal(error.code, Code.Unavailable);
        assert.match(error.message, new RegExp(`127\\.0\\.0\\.1:${port} \\(REDIS_URL\\).*ECONNREFUSED`));
        assert.doesNotMatch(error.message, /sesame/);
        return true;
      },
    );
  });
});

async function healed(...nodes: RedisNode[]): Promise<void> {
  for (const node of nodes) await until(() => node.ping().then(() => true), { what: 'Redis to be back' });
}
