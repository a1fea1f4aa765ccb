import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Coordination } from '../../src/coordination/coordination.ts';
import type { EventStream } from '../../src/coordination/event-stream.ts';
import { createRedisCoordination } from '../../src/coordination/redis/index.ts';
import { recordingLogger } from '../support/fakes.ts';
import { startOwnRedis, startRedisCluster } from '../support/redis.ts';
import { until } from '../support/wait.ts';

const PROGRAM = fileURLToPath(new URL('../support/append-and-die.ts', import.meta.url));

const BACKENDS = { Redis: startOwnRedis, 'a Redis Cluster': startRedisCluster };

for (const [name, start] of Object.entries(BACKENDS)) {
  describe(`the stream of events in ${name}`, { timeout: 120_000 }, () => {
    let redis: Awaited<ReturnType<typeof start>>;
    let coordination: Coordination;
    let stream: EventStream;

    before(async () => {
      redis = await start();
      const { url, keyPrefix } = redis;
      coordination = await createRedisCoordination({
        url,
        keyPrefix,
        nodeId: 'n1',
        logger: recordingLogger(),
      });
      assert.ok(coordination.events);
      stream = coordination.events;
    });
    after(async () => {
      await coordination?.close();
      await redis?.stop();
    });

    const data = (entries: readonly { readonly data: string }[]) => entries.map((entry) => entry.data);

    it('gives each entry to one reader, and again to another where it was left', async () => {
      assert.deepEqual(await stream.read('a', 10, 60_000), []);
      for (const text of ['1', '2', '3']) await stream.append(text);
      const first = await stream.read('a', 2, 60_000);
      assert.deepEqual(data(first), ['1', '2']);
      const second = await stream.read('b', 2, 60_000);
      assert.deepEqual(data(second), ['3']);
      assert.deepEqual(await stream.read('b', 2, 60_000), []);
      // What "a" has left, as far as "b" is to know.
      assert.deepEqual(data(await stream.read('b', 1, 0)), ['1']);
      await stream.done([...first, ...second].map(({ id }) => id));
      assert.deepEqual(await stream.read('b', 10, 0), []);
      assert.equal(await stream.size(), 0);
    });

    it('begins anew where Redis has lost it', async (t) => {
      if (!('restart' in redis)) return t.skip('a server of a cluster is not restarted here');
      await stream.append('lost');
      await redis.restart();
      await until(() => stream.append('next').then(() => true), { what: 'Redis to be back' });
      const entries = await stream.read('a', 10, 60_000);
      assert.deepEqual(data(entries).slice(-1), ['next']);
      await stream.done(entries.map(({ id }) => id));
    });

    it('has what a process put in that was killed the moment after', async () => {
      for (let n = 0; n < 5; n++) {
        await new Promise<void>((resolve, reject) => {
          execFile(process.execPath, [PROGRAM, redis.url, redis.keyPrefix, `last words ${n}`], (error) => {
            if (error?.signal === 'SIGKILL') resolve();
            else reject(error ?? new Error('It was not killed'));
          });
        });
      }
      const entries = await stream.read('a', 10, 0);
      assert.deepEqual(
        data(entries).filter((text) => text.startsWith('last words')),
        ['last words 0', 'last words 1', 'last words 2', 'last words 3', 'last words 4'],
      );
    });
  });
}
