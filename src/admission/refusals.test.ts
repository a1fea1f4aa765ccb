import assert from 'node:assert/strict';
import { test } from 'node:test';
import { refusalError } from './refusal.ts';
import { Refusals } from './refusals.ts';

const ERROR = refusalError('node_busy', 0);

function started(ease = () => 0) {
  const clock = { now: 0 };
  const refusals = new Refusals({
    perSecond: 100,
    burst: 10,
    longestMs: 2000,
    ease,
    now: () => clock.now,
  });
  const told: number[] = [];
  const tell = (n: number) => refusals.tell({ fail: () => told.push(n) }, ERROR);
  /** Lets time pass as the timer would. */
  const pass = (ms: number) => {
    for (const end = clock.now + ms; clock.now < end; ) {
      clock.now += 20;
      refusals.tick();
    }
  };
  return { refusals, told, tell, pass, clock };
}

test('few are told at once', () => {
  const { refusals, told, tell, pass } = started();
  for (let n = 0; n < 10; n++) tell(n);
  assert.equal(told.length, 10);
  assert.equal(refusals.waiting, 0);
  pass(100);
  for (let n = 10; n < 20; n++) tell(n);
  assert.equal(told.length, 20);
  refusals.flush();
});

test('many wait for their turn, in order', () => {
  const { refusals, told, tell, pass } = started();
  for (let n = 0; n < 60; n++) tell(n);
  assert.equal(told.length, 10);
  assert.equal(refusals.waiting, 50);
  pass(200);
  assert.ok(told.length >= 30 && told.length <= 36, `${told.length} are told`);
  tell(60);
  assert.equal(told.at(-1), told.length - 1, 'who comes later does not go first');
  pass(1000);
  assert.deepEqual(
    told,
    Array.from({ length: 61 }, (_, n) => n),
  );
  assert.equal(refusals.waiting, 0);
});

test('nobody waits for much longer than the longest time, however many there are', () => {
  const { refusals, told, tell, pass } = started();
  for (let n = 0; n < 20_000; n++) tell(n);
  pass(2000);
  assert.ok(told.length > 20_000 * 0.6, `${told.length} are told`);
  pass(10_000);
  assert.equal(told.length, 20_000);
  assert.equal(refusals.waiting, 0);
});

test('everybody is told when the node stops', () => {
  const { refusals, told, tell } = started();
  for (let n = 0; n < 500; n++) tell(n);
  refusals.flush();
  assert.equal(told.length, 500);
  assert.equal(refusals.waiting, 0);
  refusals.flush();
  assert.equal(told.length, 500);
});

test('who is refused again while being told waits again', () => {
  const { refusals, tell, clock } = started();
  for (let n = 0; n < 10; n++) tell(n);
  let times = 0;
  const again = { fail: () => void (++times < 5 && refusals.tell(again, ERROR)) };
  refusals.tell(again, ERROR);
  for (let n = 0; n < 10; n++) {
    clock.now += 20;
    refusals.tick();
  }
  assert.equal(times, 5);
  assert.equal(refusals.waiting, 0);
});

test('where there is time again nobody waits for long', () => {
  let ease = 0;
  const { told, tell, pass, refusals } = started(() => ease);
  for (let n = 0; n < 500; n++) tell(n);
  pass(100);
  assert.ok(told.length < 50, `${told.length} are told`);
  ease = 0.2;
  pass(400);
  assert.ok(told.length > 490, `${told.length} are told`);
  refusals.flush();
});
