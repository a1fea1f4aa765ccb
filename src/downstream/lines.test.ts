import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bytesOf, cut, places, singly } from '../../test/support/split.ts';
import { LineSplitter, LineTooLong } from './lines.ts';

function split(chunks: readonly Buffer[], maxLength = 1_000_000): string[] {
  const lines: string[] = [];
  const splitter = new LineSplitter((line) => lines.push(line), maxLength);
  for (const chunk of chunks) splitter.push(chunk);
  return lines;
}

const someBytes = bytesOf(['{"a":1}', 'x', ' ', '\n\n', '\ufeff', '\u2028']);

test('any split of any bytes gives the same lines', () => {
  fc.assert(
    fc.property(someBytes, places, (bytes, at) => {
      const expected = bytes
        .toString('utf8')
        .split('\n')
        .slice(0, -1)
        .map((line) => line.replace(/\r$/, ''));
      assert.deepEqual(split([bytes]), expected);
      assert.deepEqual(split(cut(bytes, at)), expected);
      assert.deepEqual(split(singly(bytes)), expected);
    }),
    { numRuns: 500 },
  );
});

test('whether a line is too long does not depend on the split', () => {
  const tooLong = (chunks: readonly Buffer[], max: number) => {
    try {
      split(chunks, max);
      return false;
    } catch (error) {
      assert.ok(error instanceof LineTooLong);
      return true;
    }
  };
  fc.assert(
    fc.property(someBytes, places, fc.nat({ max: 30 }), (bytes, at, max) => {
      const whole = tooLong([bytes], max);
      assert.equal(tooLong(cut(bytes, at), max), whole);
      assert.equal(tooLong(singly(bytes), max), whole);
    }),
  );
});

test('an endless line is stopped; many lines of an allowed length are not', () => {
  const splitter = new LineSplitter(() => assert.fail('no line has ended'), 1000);
  assert.throws(() => {
    for (;;) splitter.push(Buffer.from('no end '));
  }, LineTooLong);
  assert.equal(split([Buffer.from(`${'x'.repeat(1000)}\n`.repeat(50))], 1000).length, 50);
});
