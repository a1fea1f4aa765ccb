import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { cut, places } from '../../../test/support/split.ts';
import { MAX_HEAD_BYTES, MalformedResponse, type ResponseHead } from './head.ts';
import { ResponseReader } from './response-reader.ts';

interface Read {
  readonly heads: ResponseHead[];
  body: string;
  /** `last`: the connection takes no more. */
  ended: 'no' | 'yes' | 'last';
}

/** One response, in pieces; `then`: the connection ends. */
function read(pieces: readonly (string | Buffer)[], then?: 'close'): Read & { readonly isBroken: boolean } {
  const seen: Read = { heads: [], body: '', ended: 'no' };
  const reader = new ResponseReader({
    head: (head) => seen.heads.push(head),
    data: (bytes) => {
      seen.body += bytes.toString('latin1');
    },
    end: (isLast) => {
      seen.ended = isLast ? 'last' : 'yes';
    },
  });
  reader.expect();
  for (const piece of pieces) reader.push(Buffer.isBuffer(piece) ? piece : Buffer.from(piece, 'latin1'));
  return Object.assign(seen, { isBroken: then === 'close' && !reader.close() });
}

const ok = (headers: string, body: string) => `HTTP/1.1 200 OK\r\n${headers}\r\n${body}`;

const WHOLE: readonly (readonly [string, string])[] = [
  [ok('Content-Length: 5\r\n', 'hello'), 'hello'],
  [ok('content-length:0\r\n', ''), ''],
  ['HTTP/1.1 204 No Content\r\n\r\n', ''],
  ['HTTP/1.1 202 \r\nContent-Length: 0\r\nContent-Length: 0\r\n\r\n', ''],
  ['HTTP/1.1 202\r\nContent-Length: 0\r\n\r\n', ''],
  [
    `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: a\r\n\r\n${ok('content-length: 1\r\n', '!')}`,
    '!',
  ],
  [
    ok('Transfer-Encoding: Chunked\r\n', '5\r\nhello\r\n0A;x="y"\r\n, world!!!\r\n0\r\n\r\n'),
    'hello, world!!!',
  ],
  [ok('transfer-encoding: chunked\r\n', '3\r\na\r\n\r\n00\r\nsum: 1\r\nmore: 2\r\n\r\n'), 'a\r\n'],
  [ok('transfer-encoding: chunked\r\n', '0\r\n\r\n'), ''],
];

test('a response is the same in whichever pieces it comes', () => {
  fc.assert(
    fc.property(fc.constantFrom(...WHOLE), places, ([text, body], at) => {
      const { heads, isBroken, ...seen } = read(cut(Buffer.from(text, 'latin1'), at), 'close');
      assert.deepEqual([seen, isBroken, heads.length], [{ body, ended: 'yes' }, false, 1]);
    }),
    { numRuns: 1000 },
  );
});

test('names are in lower case, values without the space around them, and what stands twice is a list', () => {
  const text =
    'HTTP/1.0 404 Nöt there\r\nX-One: \t a b \r\nset-cookie: 1\r\nSet-Cookie: 2\r\nset-cookie:\r\n__proto__: x\r\n\r\n';
  const [head] = read([text]).heads;
  assert.equal(head?.status, 404);
  const headers = { 'x-one': 'a b', 'set-cookie': ['1', '2', ''] };
  assert.deepEqual(Object.entries(head.headers), [...Object.entries(headers), ['__proto__', 'x']]);
});

test('a body without a length ends with the connection, any other is broken off by it', () => {
  const { body, ended, isBroken } = read([ok('a: b\r\n', 'all'), ' of it'], 'close');
  assert.deepEqual([body, ended, isBroken], ['all of it', 'last', false]);
  for (const text of [
    '',
    'HTTP/1.1 200 OK\r\ncontent-le',
    ok('content-length: 5\r\n', 'hell'),
    ok('transfer-encoding: chunked\r\n', '1\r\na\r\n'),
    ok('transfer-encoding: chunked\r\n', '0\r\n'),
    'HTTP/1.1 100 Continue\r\n\r\n',
  ]) {
    assert.equal(read([text], 'close').isBroken, true, text);
  }
});

test('whether a connection takes another request is for the server to say, and for what comes beyond the response', () => {
  const keeps = (version: string, headers: string) => {
    const { heads } = read([`HTTP/1.${version} 200 OK\r\ncontent-length: 0\r\n${headers}\r\n`]);
    return [heads[0]?.keepsAlive, heads[0]?.keepAliveMs];
  };
  assert.deepEqual(keeps('1', ''), [true, undefined]);
  assert.deepEqual(keeps('1', 'Connection: Close\r\n'), [false, undefined]);
  assert.deepEqual(keeps('0', ''), [false, undefined]);
  assert.deepEqual(keeps('0', 'connection: Keep-Alive\r\nkeep-alive: timeout=7, max=1\r\n'), [true, 7000]);
  assert.equal(read([ok('content-length: 1\r\n', 'ab')].map((text) => text.slice(0, -1))).ended, 'yes');
  assert.throws(() => read([ok('content-length: 1\r\n', 'ab')]), MalformedResponse);
  assert.throws(() => read([ok('content-length: 1\r\n', 'a'), 'HTTP/1.1 200 OK\r\n\r\n']), MalformedResponse);
});

test('what is no response, or may be taken for two, is refused', () => {
  for (const text of [
    'SSH-2.0-OpenSSH_9.2\r\n\r\n',
    'HTTP/2 200\r\n\r\n',
    'HTTP/1.1 20 OK\r\n\r\n',
    'HTTP/1.1 600 Odd\r\n\r\n',
    'HTTP/1.1 101 Switching Protocols\r\n\r\n',
    ok('no colon\r\n', ''),
    ok(': no name\r\n', ''),
    ok('a name: x\r\n', ''),
    ok('folded: a\r\n b\r\n', ''),
    ok('nul: a\0b\r\n', ''),
    ok('bare: a\nb: c\r\n', ''),
    ok('content-length: 1\r\ncontent-length: 2\r\n', ''),
    ok('content-length: -1\r\n', ''),
    ok('content-length: 1e3\r\n', ''),
    ok('content-length: 1, 1\r\n', ''),
    ok('content-length: 9999999999999999\r\n', ''),
    ok('content-length: 1\r\ntransfer-encoding: chunked\r\n', ''),
    ok('transfer-encoding: gzip, chunked\r\n', ''),
    ok('transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n', ''),
    ok('transfer-encoding: chunked\r\n', '0x1\r\na\r\n'),
    ok('transfer-encoding: chunked\r\n', '-1\r\na\r\n'),
    ok('transfer-encoding: chunked\r\n', '\r\na\r\n'),
    ok('transfer-encoding: chunked\r\n', '1\na\r\n'),
    ok('transfer-encoding: chunked\r\n', '1a\nb\r\n0\r\n\r\n'),
    ok('transfer-encoding: chunked\r\n', '1\r\nab\r\n'),
    ok('transfer-encoding: chunked\r\n', '1111111111111\r\na\r\n'),
    ok('transfer-encoding: chunked\r\n', `1;${'x'.repeat(5000)}`),
    `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(MAX_HEAD_BYTES)}`,
    `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(MAX_HEAD_BYTES)}\r\n\r\n`,
  ]) {
    assert.throws(() => read([text]), MalformedResponse, text.slice(0, 60));
  }
});

test('whatever bytes come, they are a response or are refused', () => {
  const noise = fc.array(
    fc.constantFrom(...'HTTP/1.1 200 OK\r\n:;,0aF \t\0é', '\r\n', '\r\n\r\n', 'content-length: '),
  );
  fc.assert(
    fc.property(
      fc.constantFrom('', 'HTTP/1.1 200 OK\r\n', ok('transfer-encoding: chunked\r\n', '')),
      noise,
      (start, parts) => {
        try {
          read([start + parts.join('')], 'close');
        } catch (error) {
          assert.ok(error instanceof MalformedResponse, String(error));
        }
      },
    ),
    { numRuns: 2000 },
  );
});
