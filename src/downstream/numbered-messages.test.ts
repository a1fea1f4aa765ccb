import assert from 'node:assert/strict';
import { test } from 'node:test';
import { turns, turnsUntil } from '../../test/support/fakes.ts';
import { virtualTimers } from '../../test/support/virtual-timers.ts';
import type { BusMessage } from '../coordination/bus.ts';
import { InOrder, NumberedMessages } from './numbered-messages.ts';

const said = (text: string): BusMessage => ({ kind: 'said', text });

/** Sends into a list, with the outcome that is due. */
function wire() {
  const heard: unknown[] = [];
  const outcomes: ('heard' | 'unheard' | 'unknown')[] = [];
  let ended = 0;
  const messages = new NumberedMessages(
    async ({ n, text }) => {
      const outcome = outcomes.shift() ?? 'heard';
      if (outcome === 'unheard') return false;
      heard.push([n, text]);
      if (outcome === 'unknown') throw new Error('no answer in time');
      return true;
    },
    () => ended++,
  );
  return { messages, heard, outcomes, ended: () => ended };
}

test('messages are numbered, and the last is told', async () => {
  const { messages, heard, ended } = wire();
  messages.say(said('a'));
  await turns();
  assert.equal(ended(), 0);
  messages.say(said('b'), true);
  await turnsUntil(() => ended() === 1, 'the end');
  assert.deepEqual(heard, [
    [0, 'a'],
    [1, 'b'],
  ]);
});

test('what was not heard, or may not have been, is said again before what comes after it', async (t) => {
  const timers = virtualTimers(t);
  const { messages, heard, outcomes, ended } = wire();
  outcomes.push('unheard', 'unknown', 'heard', 'unheard');
  for (const text of ['a', 'b', 'c']) messages.say(said(text));
  await turns();
  messages.say(said('d'), true);
  await turns();
  assert.deepEqual(heard, [
    [1, 'b'],
    [2, 'c'],
  ]);
  timers.pass(250);
  await turns();
  timers.pass(250);
  await turnsUntil(() => ended() === 1, 'the end');
  assert.deepEqual(heard.slice(2), [
    [0, 'a'],
    [1, 'b'],
    [3, 'd'],
  ]);
  assert.equal(timers.pending, 0);
});

test('nothing is said again once it is stopped', async (t) => {
  const timers = virtualTimers(t);
  const { messages, heard, outcomes } = wire();
  outcomes.push('unheard');
  messages.say(said('a'));
  await turns();
  messages.stop();
  timers.pass(10_000);
  await turns();
  assert.deepEqual(heard, []);
});

test('the other end takes each message once, and in order', () => {
  const order = new InOrder();
  const taken: unknown[] = [];
  const take = (n: unknown) => order.take({ kind: 'said', n }, (message) => taken.push(message['n']));
  for (const n of [2, 0, 0, 1, 2, 4, 3, undefined, 'x', 5]) take(n);
  assert.deepEqual(taken, [0, 1, 2, 3, 4, 5]);
});
