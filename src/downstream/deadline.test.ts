import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { virtualTimers } from '../../test/support/virtual-timers.ts';
import { Code, type GatewayError } from '../protocol/errors.ts';
import { Deadline } from './deadline.ts';

function start(t: TestContext, idleMs: number, totalMs: number) {
  const timers = virtualTimers(t);
  const expired: GatewayError[] = [];
  const deadline = new Deadline({ idleMs, totalMs }, (error) => expired.push(error), 'files');
  return { deadline, expired, timers };
}

test('a request that shows no sign of life ends after the idle time', (t) => {
  const { expired, timers } = start(t, 100, 1000);
  timers.pass(99);
  assert.equal(expired.length, 0);
  timers.pass(1);
  assert.equal(expired.length, 1);
  assert.equal(expired.at(0)?.code, Code.DownstreamTimeout);
  assert.match(expired.at(0)?.message ?? '', /"files".* 100 ms/);
});

test('signs of life put the end off, but not beyond the total time', (t) => {
  const { deadline, expired, timers } = start(t, 100, 250);
  for (let beat = 0; beat < 4; beat++) {
    timers.pass(60);
    deadline.refresh();
  }
  assert.equal(expired.length, 0);
  timers.pass(10);
  assert.match(expired.at(0)?.message ?? '', / 250 ms/);
});

test('nothing expires and nothing is left once cleared', (t) => {
  const { deadline, expired, timers } = start(t, 100, 250);
  deadline.clear();
  assert.equal(timers.pending, 0);
  timers.pass(10_000);
  assert.equal(expired.length, 0);
});
