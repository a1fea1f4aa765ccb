import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { EventLog } from './event-log.ts';

const MAX = 20;

test('a log stays within its size; of each stream it has the newest, in order', () => {
  const step = fc.oneof(
    {
      weight: 8,
      arbitrary: fc.record({ stream: fc.constantFrom('a', 'b', 'c'), size: fc.integer({ min: 0, max: 25 }) }),
    },
    {
      weight: 1,
      arbitrary: fc.record({ stream: fc.constantFrom('a', 'b', 'c'), size: fc.constant(undefined) }),
    },
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const log = new EventLog({ maxSize: MAX, keepMs: 1000 });
      const last = new Map<string, number>();
      for (const { stream, size } of steps) {
        if (size === undefined) {
          log.end(stream);
          continue;
        }
        const before = log.after(stream, 0) === undefined ? 0 : (last.get(stream) ?? 0);
        const sequence = log.append(stream, 'x'.repeat(size));
        assert.equal(sequence, before + 1);
        last.set(stream, sequence);
        const all = ['a', 'b', 'c'].flatMap((id) => log.after(id, 0) ?? []);
        assert.ok(all.reduce((sum, { data }) => sum + data.length, 0) <= MAX);
        const kept = (log.after(stream, 0) ?? []).map((event) => event.sequence);
        assert.deepEqual(
          kept,
          [...kept].sort((a, b) => a - b),
        );
        if (size <= MAX) assert.equal(kept.at(-1), sequence, 'the newest is not there');
      }
    }),
    { numRuns: 500 },
  );
});

test('events after one that the client has', () => {
  const log = new EventLog({ maxSize: 100, keepMs: 1000 });
  for (const data of ['1', '2', '3']) log.append('a', data);
  assert.deepEqual(log.after('a', 1), [
    { sequence: 2, data: '2' },
    { sequence: 3, data: '3' },
  ]);
  assert.deepEqual(log.after('a', 99), []);
  assert.equal(log.after('b', 0), undefined);
});

test('an ended stream is kept for its time, and then makes room', (t) => {
  t.mock.timers.enable({ apis: ['Date'] });
  const log = new EventLog({ maxSize: 10, keepMs: 1000 });
  log.append('a', '12345');
  log.append('b', '12345');
  log.end('a');
  t.mock.timers.tick(1000);
  log.sweep(Date.now());
  assert.equal(log.after('a', 0)?.length, 1);
  t.mock.timers.tick(1);
  log.sweep(Date.now());
  assert.equal(log.after('a', 0), undefined);
  assert.equal(log.after('b', 0)?.length, 1);
  log.append('c', '12345');
  assert.equal(log.after('b', 0)?.length, 1, 'the room of the first was not given back');
});
