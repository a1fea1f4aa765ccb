import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Redis } from 'ioredis';
import { OneWrite } from './one-write.ts';

const turn = () => new Promise((resolve) => setImmediate(resolve));

function start(hasStream = true) {
  const done: string[] = [];
  const stream = { cork: () => done.push('cork'), uncork: () => done.push('uncork') };
  const client = { ...(hasStream && { stream }) } as unknown as Redis;
  return { done, oneWrite: new OneWrite(client) };
}

test('commands of one turn leave together at its end, those of the next by themselves', async () => {
  const { done, oneWrite } = start();
  oneWrite.gather();
  oneWrite.gather();
  assert.deepEqual(done, ['cork']);
  await turn();
  assert.deepEqual(done, ['cork', 'uncork']);
  oneWrite.gather();
  await turn();
  assert.deepEqual(done, ['cork', 'uncork', 'cork', 'uncork']);
});

test('what may not wait takes with it what waits', async () => {
  const { done, oneWrite } = start();
  oneWrite.gather();
  oneWrite.flush();
  assert.deepEqual(done, ['cork', 'uncork']);
  await turn();
  assert.deepEqual(done, ['cork', 'uncork']);
});

test('where there is no one stream nothing is held back', async () => {
  const { done, oneWrite } = start(false);
  oneWrite.gather();
  oneWrite.flush();
  await turn();
  assert.deepEqual(done, []);
});
