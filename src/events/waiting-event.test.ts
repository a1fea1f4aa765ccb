import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { EventFields } from './event.ts';
import { WaitingEvent } from './waiting-event.ts';

const CALL: EventFields = {
  type: 'call',
  action: 'tools/call',
  tenantId: 'default',
  outcome: 'ok',
  tool: 'echo',
};

test('an event that waits is the same each time it is asked for', () => {
  const event = new WaitingEvent(CALL, { nodeId: 'n1', kept: 'none' });
  const stored = event.stored();
  assert.deepEqual([stored.tool, stored.node], ['echo', 'n1']);
  assert.equal(event.stored(), stored);
});

test('of arguments what is kept is made at once: nothing reads them later', () => {
  const args = { text: 'first' };
  const event = new WaitingEvent({ ...CALL, args }, { nodeId: 'n1', kept: 'full' });
  args.text = 'later';
  assert.deepEqual(JSON.parse(event.stored().detail ?? ''), { arguments: { text: 'first' } });
});
