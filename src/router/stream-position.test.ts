import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventId, parseEventId, requestStreamId } from '../session/event-id.ts';
import { decodeStreamPosition, encodeStreamPosition } from './stream-position.ts';

const encoded = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

test('a position comes back from an event id as it was', () => {
  const arbitrary = fc.record({
    serverId: fc.uuid(),
    at: fc.option(fc.string({ maxLength: 256 }), { nil: undefined }),
    progress: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: undefined }),
  });
  fc.assert(
    fc.property(arbitrary, (position) => {
      const text = encodeStreamPosition(position);
      assert.ok(text !== undefined);
      const place = parseEventId(eventId(requestStreamId(1, 'q', 'node'), 3, text));
      const back = decodeStreamPosition(place?.position ?? '');
      assert.equal(JSON.stringify(back), JSON.stringify(position));
    }),
  );
});

test('a position that is too long is none', () => {
  assert.equal(encodeStreamPosition({ serverId: 's', at: 'x'.repeat(800), progress: undefined }), undefined);
});

test('what is no position is none', () => {
  for (const text of [
    '',
    'x',
    encoded(null),
    encoded({}),
    encoded([]),
    encoded(['s', 'x']),
    encoded(['s', 'x', 1, 2]),
    encoded([1, 'x', 1]),
    encoded(['s', 1, 1]),
    encoded(['s', 'x', '1']),
  ]) {
    assert.equal(decodeStreamPosition(text), undefined, text);
  }
});
