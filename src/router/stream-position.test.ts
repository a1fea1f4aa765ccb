import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { eventId, parseEventId, requestStreamId } from '../session/event-id.ts';
import { FRESH } from '../session/session.ts';
import { decodeStreamPosition, encodeStreamPosition } from './stream-position.ts';

const SESSION = { id: 's1', state: { ...FRESH, streamKey: 'key' } };
const POSITION = { serverId: 'a', at: 'tag.5', progress: 2 };

test('a position comes back from an event id as it was', () => {
  const arbitrary = fc.record({
    serverId: fc.uuid(),
    at: fc.option(fc.string({ maxLength: 200 }), { nil: undefined }),
    progress: fc.option(fc.double({ noNaN: true, noDefaultInfinity: true }), { nil: undefined }),
  });
  fc.assert(
    fc.property(arbitrary, (position) => {
      const text = encodeStreamPosition(SESSION, position);
      if (text === undefined) return fc.pre(false);
      const place = parseEventId(eventId(requestStreamId(1, 'q', 'node'), 3, text));
      const back = decodeStreamPosition(SESSION, place?.position ?? '');
      assert.equal(JSON.stringify(back), JSON.stringify(position));
    }),
  );
});

test('a position that is too long is none, and a session without a key has none', () => {
  assert.equal(encodeStreamPosition(SESSION, { ...POSITION, at: 'x'.repeat(800) }), undefined);
  assert.equal(encodeStreamPosition({ ...SESSION, state: FRESH }, POSITION), undefined);
});

test('what was not made for this session is no position', () => {
  const text = encodeStreamPosition(SESSION, POSITION)!;
  const forged = Buffer.from(JSON.stringify(['a', 'tag.6', 2])).toString('base64url') + text.slice(-22);
  for (const each of ['', 'x', text.slice(1), text.slice(0, -1), `${text}x`, forged]) {
    assert.equal(decodeStreamPosition(SESSION, each), undefined, each);
  }
  for (const other of [
    { ...SESSION, id: 's2' },
    { ...SESSION, state: { ...FRESH, streamKey: 'other' } },
    { ...SESSION, state: FRESH },
  ]) {
    assert.equal(decodeStreamPosition(other, text), undefined);
  }
});
