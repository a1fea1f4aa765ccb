import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Governor } from './governor.ts';
import { PrincipalLoad } from './load.ts';

const OPTIONS = { maxTurnMs: 20 };
const CALL_MS = 0.1;
const SAMPLE_MS = 50;

interface Client {
  readonly load: PrincipalLoad;
  /** Calls that it makes in a millisecond. */
  readonly perMs: number;
  due: number;
  admitted: number;
  refused: number;
}

const client = (perMs: number): Client => ({
  load: new PrincipalLoad(),
  perMs,
  due: 0,
  admitted: 0,
  refused: 0,
});

/** A node whose calls take {@link CALL_MS} each and whose refusals take none, in time that passes as it works. */
async function run(governor: Governor, clock: { now: number }, clients: readonly Client[], ms: number) {
  const turns: number[] = [];
  let last = clock.now;
  let sampled = clock.now;
  for (const end = clock.now + ms; clock.now < end; ) {
    const from = clock.now;
    const calls = clients.flatMap((one) => {
      one.due += one.perMs * (from - last);
      const count = Math.floor(one.due);
      one.due -= count;
      return Array.from({ length: count }, () => one);
    });
    last = from;
    for (const one of calls) {
      if (governor.isShort && governor.refuses(one.load) !== undefined) one.refused++;
      else {
        one.admitted++;
        clock.now += CALL_MS;
      }
    }
    clock.now = Math.max(clock.now, from + 1);
    const turn = clock.now - from;
    turns.push(turn);
    if (clock.now - sampled >= SAMPLE_MS) {
      sampled = clock.now;
      governor.sample(calls.length === 0 ? 0 : turn);
    }
    await nextTurn();
  }
  return turns;
}

function started() {
  const clock = { now: 0 };
  return { clock, governor: new Governor({ ...OPTIONS, now: () => clock.now, used: () => clock.now }) };
}

test('long turns are too long only when there are some in a row', () => {
  const { governor, clock } = started();
  const sample = (turnMs: number) => {
    clock.now += Math.max(SAMPLE_MS, turnMs);
    governor.sample(turnMs);
  };
  for (let n = 0; n < 100; n++) sample(n % 3 === 0 ? 5 : 500);
  assert.equal(governor.isShort, false, 'long pieces of work');
  sample(5);
  for (let n = 0; n < 4; n++) sample(21);
  assert.equal(governor.isShort, false, 'a burst');
  for (let n = 0; n < 2; n++) sample(21);
  assert.equal(governor.isShort, true);
  for (let n = 0; n < 10; n++) governor.sample(1000);
  assert.equal(governor.isShort, false, 'nobody had to be refused');
});

test('what fits is let in, all of it', async () => {
  const { governor, clock } = started();
  const one = client(9);
  await run(governor, clock, [one], 3000);
  assert.equal(one.refused, 0);
});

test('at three times what it can do a node does as much as it can, in turns that stay short', async () => {
  const { governor, clock } = started();
  const one = client(30);
  await run(governor, clock, [one], 1500);
  assert.equal(governor.isShort, true);
  const before = one.admitted;
  const turns = await run(governor, clock, [one], 3000);
  const share = ((one.admitted - before) * CALL_MS) / 3000;
  assert.ok(share > 0.9, `${share} of its time goes into calls`);
  turns.sort((a, b) => a - b);
  assert.ok(turns.at(-1)! <= OPTIONS.maxTurnMs, `turns of up to ${turns.at(-1)} ms`);
});

test('one that floods does not take the node from those who ask for little', async () => {
  const { governor, clock } = started();
  const flood = client(40);
  const modest = Array.from({ length: 5 }, () => client(0.5));
  const all = [flood, ...modest];
  await run(governor, clock, all, 2000);
  for (const one of all) one.admitted = one.refused = 0;
  await run(governor, clock, all, 4000);
  for (const { admitted, refused } of modest)
    assert.ok(refused <= admitted * 0.02, `${refused} refused of ${admitted + refused}`);
  assert.ok(flood.admitted > 4000 * 6, `the rest is for the one that floods: ${flood.admitted}`);
});

test('those who all ask for too much get the same', async () => {
  const { governor, clock } = started();
  const all = [client(10), client(20), client(40)];
  await run(governor, clock, all, 2000);
  for (const one of all) one.admitted = 0;
  await run(governor, clock, all, 4000);
  const counts = all.map(({ admitted }) => admitted);
  const mean = counts.reduce((sum, count) => sum + count) / 3;
  for (const count of counts) assert.ok(Math.abs(count - mean) < mean * 0.25, `${counts}`);
});

test('when the flood is over everybody is let in again', async () => {
  const { governor, clock } = started();
  const one = client(30);
  await run(governor, clock, [one], 2000);
  assert.equal(governor.isShort, true);
  const calm = client(5);
  await run(governor, clock, [calm], 2000);
  assert.equal(governor.isShort, false);
  assert.equal(calm.refused, 0);
});

test('each turn takes in some, however slow the machine', async () => {
  const { governor, clock } = started();
  for (let n = 0; n < 4; n++) governor.sample(500);
  const load = new PrincipalLoad();
  const answers: boolean[] = [];
  for (let n = 0; n < 36; n++) {
    answers.push(governor.refuses(load) === undefined);
    clock.now += 400;
  }
  assert.deepEqual(answers, [...Array(32).fill(true), ...Array(4).fill(false)]);
  await nextTurn();
  assert.equal(governor.refuses(load), undefined);
});

test('a turn that does not end is noticed without the timers that wait for it', async (t) => {
  const { governor, clock } = started();
  governor.look();
  governor.start();
  t.after(() => governor.close());
  clock.now += 200;
  governor.look();
  assert.equal(governor.isShort, false);
  clock.now += 200;
  governor.look();
  assert.equal(governor.isShort, true);
});

test('nor is a node short of time that others of the machine have taken', () => {
  const clock = { now: 0 };
  const governor = new Governor({ ...OPTIONS, now: () => clock.now, used: () => clock.now / 100 });
  governor.start();
  clock.now += 5000;
  governor.look();
  assert.equal(governor.isShort, false);
  for (let n = 0; n < 6; n++) {
    clock.now += SAMPLE_MS;
    governor.sample(500);
  }
  assert.equal(governor.isShort, true);
  const load = new PrincipalLoad();
  for (let n = 0; n < 100; n++) {
    clock.now += 3;
    assert.equal(governor.refuses(load), undefined, 'the turn is long, and little of it is ours');
  }
  governor.close();
});

test('refusals may be told faster for as long as the loop idles', () => {
  const { governor } = started();
  assert.equal(governor.ease, 0);
  const eases = [0.5, 0.5, 0.5, 0.1, 0.1, 0.1, 0.1].map((utilization) => {
    governor.sample(1, utilization);
    return governor.ease;
  });
  assert.ok(eases.every((ease, index) => ease >= (eases[index - 1] ?? 0)));
  assert.equal(eases.at(-1), 0.2);
  for (let n = 0; n < 10; n++) governor.sample(1, 0.99);
  assert.equal(governor.ease, 0);
});

test('no limit, no refusal', () => {
  const governor = new Governor({ maxTurnMs: 0 });
  governor.start();
  assert.equal(governor.isShort, false);
  governor.close();
});
