import assert from 'node:assert/strict';
import { test } from 'node:test';
import { recordingLogger } from '../../test/support/fakes.ts';
import { until } from '../../test/support/wait.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { DirectLog } from './direct-log.ts';
import type { EventFields, StoredEvent } from './event.ts';

const call = (tool: string): EventFields => ({
  type: 'call',
  action: 'tools/call',
  tenantId: 'default',
  outcome: 'ok',
  tool,
});

function start(more: { readonly maxHeld?: number; readonly batch?: number } = {}) {
  const stored: string[] = [];
  const batches: number[] = [];
  const logger = recordingLogger();
  const state = { isAway: false, poison: '' };
  const store = {
    async store(events: readonly StoredEvent[]) {
      if (state.isAway) throw new GatewayError(Code.Unavailable, 'away');
      if (events.some(({ tool }) => tool === state.poison))
        throw new GatewayError(Code.Internal, 'Internal error');
      batches.push(events.length);
      stored.push(...events.map(({ tool }) => tool ?? ''));
      return events.length;
    },
  };
  const log = new DirectLog({
    nodeId: 'n1',
    store,
    logger,
    kept: 'none',
    batch: 10,
    isInProcess: true,
    ...more,
  });
  const tools = (count: number) => Array.from({ length: count }, (_, n) => String(n));
  return { log, stored, batches, logger, state, tools };
}

test('events are stored in batches, in order, and answers wait for nothing', async () => {
  const { log, stored, batches, tools } = start();
  for (const tool of tools(25)) log.append(call(tool));
  let isAnswered = false;
  log.answered(() => {
    isAnswered = true;
  });
  assert.equal(isAnswered, true);
  await until(() => stored.length === 25, { what: 'the events' });
  assert.deepEqual([stored, batches, log.stored], [tools(25), [10, 10, 5], 25]);
  await log.close(1000);
});

test('while the store is away events wait; at the end they are written', async () => {
  const { log, stored, state, tools, logger } = start();
  state.isAway = true;
  for (const tool of tools(15)) log.append(call(tool));
  await until(() => logger.lines.length > 0, { what: 'the log to tell' });
  assert.deepEqual([stored.length, log.waiting], [0, 15]);
  state.isAway = false;
  assert.equal(await log.close(5000), 0);
  assert.deepEqual(stored, tools(15));
});

test('the end does not wait for ever', async () => {
  const { log, state, logger } = start();
  state.isAway = true;
  log.append(call('a'));
  assert.equal(await log.close(30), 1);
  assert.ok(logger.lines.some(({ message }) => message.startsWith('events are lost')));
});

test('beyond what may wait the oldest are dropped and counted', async () => {
  const { log, stored, state, tools } = start({ maxHeld: 10 });
  state.isAway = true;
  for (const tool of tools(25)) log.append(call(tool));
  await until(() => log.dropped > 0, { what: 'some to be dropped' });
  state.isAway = false;
  await log.close(5000);
  assert.deepEqual([log.dropped, stored], [15, tools(25).slice(15)]);
});

test('an event that cannot be stored keeps back no other', async () => {
  const { log, stored, state, tools, logger } = start();
  state.poison = '7';
  for (const tool of tools(20)) log.append(call(tool));
  await until(() => stored.length === 19, { what: 'the others' });
  assert.deepEqual(
    stored,
    tools(20).filter((tool) => tool !== '7'),
  );
  assert.ok(logger.lines.some(({ message }) => message === 'an event cannot be stored, and is dropped'));
  await log.close(1000);
});
