import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePlan, SECTIONS, UsageError } from './options.ts';

test('without options everything is measured, and that is what is written down', () => {
  const plan = parsePlan([]);
  assert.deepEqual(plan.sections, SECTIONS);
  assert.equal(plan.rounds, 5);
  assert.ok(plan.isWhole);
});

test('sections run in their own order; a part is not written down', () => {
  const plan = parsePlan(['sse', 'calls', '--rounds', '2']);
  assert.deepEqual(plan.sections, ['calls', 'sse']);
  assert.equal(plan.rounds, 2);
  assert.ok(!plan.isWhole);
  assert.ok(!parsePlan(['quick']).isWhole);
  assert.ok(!parsePlan(['--seconds', '1']).isWhole);
});

test('what makes no sense is named', () => {
  for (const [args, message] of [
    [['callz'], /Unknown bench: callz/],
    [['--rounds', '0'], /--rounds: expected a number from 1, got "0"/],
    [['--rounds', '1.5'], /--rounds: expected a whole number/],
    [['--seconds', 'x'], /--seconds: expected a number from 0.1, got "x"/],
    [['--connections', '1,,2'], /--connections: expected a number from 1, got ""/],
    [['--connections', '10000'], /--connections: expected whole numbers from 1 to 4096/],
    [['quick', '--record'], /--record: expected a run without quick/],
    [['--nonsense'], /--nonsense/],
  ] as const) {
    assert.throws(
      () => parsePlan(args),
      (error) => error instanceof UsageError && message.test(error.message),
    );
  }
});
