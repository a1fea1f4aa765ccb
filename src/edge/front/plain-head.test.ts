import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readPlainHead } from './plain-head.ts';

const HOST = 'Host: a';
const LENGTH = 'Content-Length: 3';
const read = (...lines: string[]) => readPlainHead(lines.join('\r\n'), true);

test('names are in lower case and values without the space around them', () => {
  const head = read(HOST, LENGTH, 'X-One: \t a  b\t ', 'x-empty:', '__proto__: x', 'CONNECTION: Keep-Alive');
  assert.equal(head?.bodyLength, 3);
  assert.deepEqual(Object.entries(head.headers), [
    ['host', 'a'],
    ['content-length', '3'],
    ['x-one', 'a  b'],
    ['x-empty', ''],
    ['__proto__', 'x'],
    ['connection', 'Keep-Alive'],
  ]);
});

test('what can be read in two ways, or asks for more than an answer, is not plain', () => {
  for (const line of [
    'Content-Length: 3',
    'content-length: 4',
    'host: a',
    'Transfer-Encoding: chunked',
    'transfer-encoding: identity',
    'Expect: 100-continue',
    'Upgrade: websocket',
    'Connection: close',
    'Connection: keep-alive, close',
    'Connection: keep-alive, x-one',
    'Trailer: x',
    'TE: trailers',
    'x-one: a\r\nX-One: b',
    ' folded',
    'x-one: a\r\n\tfolded',
    'x one: a',
    'x-one : a',
    ': a',
    'no colon',
    'x-one: a\0b',
    'x-one: a\nb: c',
    'x-one: a\rb: c',
    'x-one: \x7f',
    ...['n'.repeat(101)].map((names) => [...names].map((_, index) => `x-${index}: a`).join('\r\n')),
  ]) {
    assert.equal(read(HOST, LENGTH, line), undefined, JSON.stringify(line.slice(0, 60)));
  }
});

test('without a host, or a length in digits alone, nothing is plain', () => {
  assert.equal(read(LENGTH), undefined);
  assert.equal(read(HOST), undefined);
  for (const length of ['', '-1', '+1', '1e3', '0x1', '1 1', '1,1', '1.0', '1'.repeat(10)]) {
    assert.equal(read(HOST, `content-length: ${length}`), undefined, length);
  }
  assert.equal(read(HOST, 'content-length: 007')?.bodyLength, 7);
  const length = (...lines: string[]) => readPlainHead([HOST, ...lines].join('\r\n'), false)?.bodyLength;
  assert.deepEqual([length(), length('content-length: 0'), length('content-length: 1')], [0, 0, undefined]);
});
