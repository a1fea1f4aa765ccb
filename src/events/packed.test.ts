import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toStored } from './entry.ts';
import type { EventFields } from './event.ts';
import { pack, unpack } from './packed.ts';

const LEAST: EventFields = { type: 'node', action: 'joined', tenantId: 'default', outcome: 'ok' };
const MOST: EventFields = {
  type: 'call',
  action: 'tools/call',
  tenantId: 'acme',
  userId: 'ada',
  outcome: 'tool_error',
  server: 'docs',
  tool: 'se"arch',
  session: '0f',
  durationMs: 1.5,
  requestBytes: 0,
  answerBytes: 10,
  detail: { skipped: 3 },
};

test('events come out as they went in, whatever they have in common with the one before', () => {
  const events = [LEAST, MOST, MOST, { ...MOST, tool: 'other' }, LEAST, LEAST, MOST].map((event) =>
    toStored(event, 1_700_000_000_000, 'node-1', 'none'),
  );
  assert.deepEqual(unpack(pack(events)), events);
  assert.equal(unpack(pack(events))[1]?.requestBytes, 0);
  assert.ok(pack([events[1]!, events[2]!]).length < 1.7 * pack([events[1]!]).length);
});

test('what is no list of events is refused', () => {
  for (const text of ['', '{}', '[1]', '[null]', '"x"']) assert.throws(() => unpack(text), text);
});
