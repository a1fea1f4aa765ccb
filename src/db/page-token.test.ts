import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { Code, GatewayError } from '../protocol/errors.ts';
import { decodePageToken, encodePageToken } from './page-token.ts';

describe('page tokens', () => {
  it('come back as they went out', () => {
    for (const ordinal of [0, 1, 42, 999_999_999_999_999]) {
      assert.equal(decodePageToken(encodePageToken(ordinal)), ordinal);
    }
  });

  it('are safe in a URL', () => {
    for (let ordinal = 0; ordinal < 500; ordinal++) assert.match(encodePageToken(ordinal), /^[\w-]+$/);
  });

  const b64 = (text: string) => Buffer.from(text).toString('base64url');
  for (const token of [
    '',
    '7',
    'after:7',
    b64('7'),
    b64('after:-1'),
    b64('after:07'),
    b64('after:7 '),
    `${b64('after:7')}=`,
  ]) {
    it(`that were never given are refused: ${JSON.stringify(token)}`, () => {
      assert.throws(
        () => decodePageToken(token),
        (error) =>
          error instanceof GatewayError &&
          error.code === Code.InvalidArgument &&
          error.fields[0]?.field === 'page_token',
      );
    });
  }
});
