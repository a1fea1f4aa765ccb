import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordingLogger } from '../../test/support/fakes.ts';
import { until } from '../../test/support/wait.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { EventFields } from './event.ts';
import { unpack } from './packed.ts';
import { StreamedLog } from './streamed-log.ts';

const call = (tool: string): EventFields => ({
  type: 'call',
  action: 'tools/call',
  tenantId: 'default',
  userId: 'local',
  outcome: 'ok',
  tool,
});

const nextTurn = () => new Promise((resolve) => setImmediate(resolve));

function start(maxHeld?: number) {
  /** What was done, in order: batches by their tools, and answers. */
  const done: string[] = [];
  const logger = recordingLogger();
  const state = { isAway: false };
  const stream = {
    async append(data: string) {
      done.push(
        `put ${unpack(data)
          .map(({ tool }) => tool)
          .join(' ')}`,
      );
      if (state.isAway) throw new GatewayError(Code.Unavailable, 'away');
    },
  };
  const log = new StreamedLog({
    nodeId: 'n1',
    stream,
    logger,
    kept: 'none',
    ...(maxHeld === undefined ? {} : { maxHeld }),
  });
  const answer = (tool: string) => {
    log.append(call(tool));
    log.answered(() => done.push(`answer ${tool}`));
  };
  return { log, done, logger, state, answer };
}

test('events of one turn are put in together, and their answers go out after that', async () => {
  const { done, answer, log } = start();
  answer('a');
  await Promise.resolve();
  answer('b');
  assert.deepEqual(done, []);
  await nextTurn();
  assert.deepEqual(done, ['put a b', 'answer a', 'answer b']);
  answer('c');
  await nextTurn();
  assert.deepEqual(done.slice(3), ['put c', 'answer c']);
  await log.close(1000);
});

test('where many are answered in one turn the first ones do not wait for its end', async () => {
  const { done, answer, log } = start();
  for (let n = 0; n < 65; n++) answer(String(n));
  assert.equal(done.filter((what) => what.startsWith('answer')).length, 64);
  assert.match(done[0] ?? '', /^put 0 .* 63$/);
  await nextTurn();
  assert.equal(done.at(-1), 'answer 64');
  await log.close(1000);
});

test('an answer without an event before it in this turn goes out at once', () => {
  const { done, log } = start();
  log.answered(() => done.push('answer'));
  assert.deepEqual(done, ['answer']);
});

test('while the stream is away answers go out, events wait in order, and none is lost', async () => {
  const { done, state, answer, log, logger } = start();
  state.isAway = true;
  answer('a');
  await nextTurn();
  await nextTurn();
  answer('b');
  await nextTurn();
  assert.deepEqual(done, ['put a', 'answer a', 'answer b']);
  assert.equal(log.waiting, 2);
  state.isAway = false;
  await until(() => log.waiting === 0, { what: 'the events to be put in' });
  assert.deepEqual(done.slice(3), ['put a b']);
  const messages = logger.lines.map(({ message }) => message);
  assert.deepEqual(messages, ['events cannot be stored now: they wait', 'events are stored again']);
  await log.close(1000);
});

test('beyond what may wait the oldest are dropped, counted, and told of once', async () => {
  const { state, answer, log, logger } = start(10);
  state.isAway = true;
  for (let n = 0; n < 25; n++) {
    answer(String(n));
    await nextTurn();
  }
  assert.deepEqual([log.waiting, log.dropped], [10, 15]);
  const told = logger.lines.filter(({ message }) => message.startsWith('events are dropped'));
  assert.equal(told.length, 1);
  assert.equal(await log.close(50), 10);
});

test('what waits at the end is put in', async () => {
  const { done, state, answer, log } = start();
  state.isAway = true;
  answer('a');
  await nextTurn();
  await nextTurn();
  answer('b');
  state.isAway = false;
  assert.equal(await log.close(5000), 0);
  assert.deepEqual(done.slice(-1), ['put a b']);
});
