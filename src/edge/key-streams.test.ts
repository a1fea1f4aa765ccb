import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { HttpResponse } from './http-io.ts';
import { KeyStreams } from './key-streams.ts';

/** As much of a response as can end. */
class Stream extends EventEmitter {
  destroyed = false;

  destroy(): void {
    this.destroyed = true;
    this.emit('close');
  }
}

const who = (keyId?: string) => ({
  tenantId: 'acme',
  userId: 'ann',
  roles: ['user'],
  ...(keyId === undefined ? {} : { keyId }),
});

test('a key that is over takes its streams with it, those on their way too, and no others', () => {
  const streams = new KeyStreams();
  const open = (keyId?: string) => {
    const stream = new Stream();
    streams.hold(who(keyId), stream as unknown as HttpResponse);
    return stream;
  };
  const [first, second, other, without, gone] = [open('a'), open('a'), open('b'), open(), open('c')];
  gone.destroy();
  assert.deepEqual([...streams.keyIds], ['a', 'b']);
  streams.end('a');
  // It was let in a moment before.
  const late = open('a');
  assert.deepEqual(
    [first, second, late, other, without].map(({ destroyed }) => destroyed),
    [true, true, true, false, false],
  );
  assert.deepEqual([...streams.keyIds], ['b']);
});
