import assert from 'node:assert/strict';
import { test } from 'node:test';
import { beforeWrites, writeAtTurnEnd } from './turn-end.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

/** Who writes down that they wrote. */
function writer(name: string, done: string[], then = () => {}) {
  return {
    writeNow() {
      done.push(name);
      then();
    },
  };
}

/** As after a turn with several writes. */
async function busy(): Promise<void> {
  for (let count = 0; count < 2; count++) writeAtTurnEnd(writer('', []));
  await turn();
}

/** As after a turn without. */
async function calm(): Promise<void> {
  beforeWrites(() => {});
  await turn();
}

test('the one write of a turn goes out at once', async () => {
  await calm();
  const done: string[] = [];
  for (const name of ['a', 'b', 'c']) {
    writeAtTurnEnd(writer(name, done));
    assert.equal(done.at(-1), name);
    await turn();
  }
});

test('where there are several in a turn those of the next wait for its end, in order', async () => {
  await busy();
  const done: string[] = [];
  const ended = turn();
  for (const name of ['a', 'b', 'c']) writeAtTurnEnd(writer(name, done));
  await Promise.resolve();
  assert.deepEqual(done, []);
  await ended;
  await turn();
  assert.deepEqual(done, ['a', 'b', 'c']);
});

test('of very many the first do not wait for the end', async () => {
  await busy();
  const done: string[] = [];
  for (let count = 0; count < 65; count++) writeAtTurnEnd(writer(String(count), done));
  assert.equal(done.length, 64);
  await turn();
  assert.equal(done.length, 65);
});

test('what comes before the writes of a turn adds to them', async () => {
  for (const before of [calm, busy]) {
    await before();
    const done: string[] = [];
    beforeWrites(() => {
      done.push('step');
      writeAtTurnEnd(writer('c', done));
      writeAtTurnEnd(writer('d', done));
    });
    writeAtTurnEnd(writer('a', done));
    writeAtTurnEnd(writer('b', done));
    await turn();
    assert.deepEqual(done, before === calm ? ['a', 'b', 'step', 'c', 'd'] : ['step', 'a', 'b', 'c', 'd']);
  }
});

test('what a write brings about leaves with it, and a step of a step in the turn after', async () => {
  await busy();
  const done: string[] = [];
  writeAtTurnEnd(writer('a', done, () => writeAtTurnEnd(writer('b', done))));
  beforeWrites(() => beforeWrites(() => done.push('later')));
  await turn();
  assert.deepEqual(done, ['a', 'b']);
  await turn();
  assert.deepEqual(done, ['a', 'b', 'later']);
});
