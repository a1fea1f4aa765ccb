import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AT_ONCE, CountedJob, type jobNodesOn, LONG_MS } from '../support/jobs.ts';
import { until } from '../support/wait.ts';

/** What nodes with one Redis do together. Each test is a cluster of its own. */
export function jobsClusterContract(start: ReturnType<typeof jobNodesOn>): void {
  describe('jobs of several nodes', { concurrency: AT_ONCE }, () => {
    test('a job runs once in each interval, however many nodes there are', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      const everyMs = 1000;
      const startedAt = Date.now();
      const names = ['a', 'b', 'c', 'd', 'e'];
      const all = await Promise.all(names.map((name) => make([job.at(name, everyMs)], name)));
      // One that is late is none too many, so that a slow machine fails nothing.
      const enough = () => Math.floor((Date.now() - startedAt) / everyMs) + 1;
      for (let times = 1; times <= 5; times++) {
        await job.ran(times);
        assert.ok(job.runs.length <= enough(), `${job.runs.length} runs`);
      }
      await job.idle();
      assert.equal(job.most, 1);
      assert.deepEqual(
        all.flatMap(({ lines }) => lines),
        [],
      );
    });

    test('a node that comes later makes it run no earlier', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      await make([job.at('a', LONG_MS)], 'a');
      await job.ran(1);
      await job.idle();
      const clock = new CountedJob('test.clock');
      await make([job.at('b', LONG_MS), clock.at('b', 300)], 'b');
      await clock.ran(5);
      assert.deepEqual(job.runs, ['a']);
    });

    test('a node that stops leaves the rest to the others', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      const a = await make([job.at('a', 500)], 'a');
      await job.ran(1);
      await make([job.at('b', 500)], 'b');
      await a.jobs.close(LONG_MS);
      const before = job.runs.length;
      await job.ran(before + 2);
      assert.deepEqual(new Set(job.runs.slice(before)), new Set(['b']));
    });

    test('what a stopping node does not get done is done by another', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      job.hold = new Promise(() => {});
      const a = await make([job.at('a', LONG_MS)], 'a');
      await job.ran(1);
      await make([job.at('b', LONG_MS)], 'b');
      job.hold = undefined;
      await a.jobs.close(0);
      await job.ran(1, 'b');
    });

    test('what a node was at when it died is done by another, and so is what follows', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      job.hold = new Promise(() => {});
      const a = await make([job.at('a', 2000)], 'a', { lockMs: 2000 });
      await job.ran(1);
      const b = await make([job.at('b', 2000)], 'b', { lockMs: 2000 });
      job.hold = undefined;
      await a.die();
      await job.ran(3, 'b');
      await until(
        () => b.lines.some(({ message }) => message === 'a job of a node that has gone is run again'),
        {
          what: 'the log',
        },
      );
    });

    test('of nodes that want another interval the one that was started last has its way, without doubles', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      const older = await make([job.at('old', LONG_MS)], 'old');
      await job.ran(1);
      const startedAt = Date.now();
      await make([job.at('new', 1000)], 'new');
      await job.ran(5);
      // The older one has looked at the schedule again and again meanwhile.
      assert.ok(
        job.runs.length <= 1 + Math.floor((Date.now() - startedAt) / 1000) + 1,
        `${job.runs.length} runs`,
      );
      assert.deepEqual(older.lines, []);
    });

    test('a job that a newer node has switched off is run no more', async (t) => {
      const make = start(t);
      const job = new CountedJob();
      const a = await make([job.at('a', 500)], 'a');
      await job.ran(2);
      await a.jobs.close(LONG_MS);
      const clock = new CountedJob('test.clock');
      const before = job.runs.length;
      await make([job.at('b', 0), clock.at('b', 500)], 'b');
      await clock.ran(4);
      assert.equal(job.runs.length, before);
    });

    test('a job that an older node does not know is left to one that does', async (t) => {
      const make = start(t);
      const [known, news] = [new CountedJob(), new CountedJob('test.news')];
      const older = await make([known.at('old', 500)], 'old');
      await known.ran(1);
      await make([known.at('new', 500), news.at('new', 500)], 'new');
      await news.ran(3);
      assert.deepEqual(new Set(news.runs), new Set(['new']));
      assert.deepEqual(older.lines, []);
    });

    test('a job that no node knows any more is forgotten, without a word', async (t) => {
      const make = start(t);
      const [known, former] = [new CountedJob(), new CountedJob('test.former')];
      const a = await make([known.at('a', 500), former.at('a', 500)], 'a');
      await former.ran(1);
      await a.jobs.close(LONG_MS);
      const b = await make([known.at('b', 500)], 'b', { checkMs: 100 });
      const dropped = () => b.lines.some(({ message }) => message === 'a job that no node knows is dropped');
      await until(dropped, { what: 'the job to be dropped', timeoutMs: 60_000 });
      const before = former.runs.length;
      await known.ran(known.runs.length + 3);
      assert.equal(former.runs.length, before);
      assert.deepEqual(
        b.lines.filter(({ level }) => level !== 'debug'),
        [],
      );
    });
  });
}
