import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fakeRequest } from '../../test/support/fake-http.ts';
import { anyCharacter } from '../../test/support/json-text.ts';
import { cut, places } from '../../test/support/split.ts';
import { Code } from '../protocol/errors.ts';
import { readBody } from './body.ts';

function read(chunks: readonly Buffer[], maxBytes = 1000, headers = {}): Promise<string> {
  const { request, body } = fakeRequest(headers);
  const text = readBody(request, maxBytes);
  for (const chunk of chunks) body.write(chunk);
  body.end();
  return text;
}

test('a body is the same text in whichever pieces it comes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.string({ unit: anyCharacter, maxLength: 100 }), places, async (text, at) => {
      const bytes = Buffer.from(text);
      assert.equal(await read(cut(bytes, at)), bytes.toString());
    }),
    { numRuns: 50 },
  );
});

test('a body may be as large as the limit and no larger, declared or not', async () => {
  assert.equal(await read([Buffer.from('12345')], 5, { 'content-length': '5' }), '12345');
  const tooLarge = { code: Code.TooLarge, message: /5 bytes/ };
  await assert.rejects(read([Buffer.from('123'), Buffer.from('456')], 5), tooLarge);
  await assert.rejects(read([Buffer.from('€€')], 5), tooLarge);
  await assert.rejects(read([], 5, { 'content-length': '6' }), tooLarge);
  // A length that lies is found out by what comes.
  for (const length of ['1', 'x', '-1']) {
    await assert.rejects(read([Buffer.from('123456')], 5, { 'content-length': length }), tooLarge, length);
  }
});

test('what is not UTF-8 is refused, not altered', async () => {
  for (const bytes of [[0xff], [0xe2, 0x82], [0x22, 0xc3, 0x28, 0x22], [0xed, 0xa0, 0x80]]) {
    await assert.rejects(read([Buffer.from(bytes)]), { code: Code.ParseError });
  }
});

test('a client that goes away in the middle is noticed', async () => {
  const gone = { code: Code.Cancelled };
  const { request, body } = fakeRequest();
  const text = readBody(request, 100);
  body.write('{');
  body.destroy();
  await assert.rejects(text, gone);
  const failing = fakeRequest();
  const other = readBody(failing.request, 100);
  failing.body.destroy(new Error('ECONNRESET'));
  await assert.rejects(other, gone);
});
