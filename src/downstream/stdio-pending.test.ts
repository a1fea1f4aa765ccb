import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { requestOf } from '../../test/support/fakes.ts';
import { holeAt, jsonObject } from '../../test/support/json-text.ts';
import { parseMessage } from '../protocol/envelope.ts';
import { Code } from '../protocol/errors.ts';
import { progressNumber, renumber } from './stdio-pending.ts';

test('a request gets a new id and progress token, and nothing else of it changes', () => {
  const token = fc.constantFrom('1', '"t"', '"\\u0031"', '12345678901234567890', 'null');
  fc.assert(
    fc.property(holeAt(['_meta', 'progressToken']), token, fc.boolean(), (params, written, idFirst) => {
      const write = (id: string, tokenText: string) => {
        const text = `"params": ${params.before}${tokenText}${params.after}`;
        const head = idFirst ? `"id":${id},${text}` : `${text} , "id" :${id}`;
        return `{"method":"tools/call",${head},"jsonrpc":"2.0","x":1e400}`;
      };
      const { text, progressToken } = renumber(requestOf(write('"own"', written)), 42);
      assert.equal(text, write('42', '42'));
      assert.equal(progressToken, written);
    }),
  );
});

test('a request without a token gets none', () => {
  fc.assert(
    fc.property(jsonObject, (params) => {
      const write = (id: string) =>
        `{"jsonrpc":"2.0","id":${id},"method":"a","params":{"arguments":${params}}}`;
      assert.deepEqual(renumber(requestOf(write('7')), 42), { text: write('42'), progressToken: undefined });
    }),
  );
  const odd = [
    '{"_meta":null}',
    '{"_meta":[1]}',
    '{"_meta":{}}',
    '{"_meta":"progressToken"}',
    '{"progressToken":1}',
  ];
  for (const params of odd) {
    const text = `{"jsonrpc":"2.0","id":1,"method":"a","params":${params}}`;
    assert.equal(renumber(requestOf(text), 2).progressToken, undefined, params);
  }
});

test('a token that stands twice is refused: left as it is, it could be the number of another session’s request', () => {
  for (const params of [
    '{"_meta":{"progressToken":5,"progressToken":5}}',
    '{"_meta":{"progressToken":5},"_meta":{"progressToken":5}}',
    '{"_meta":{"progressToken":5,"\\u0070rogressToken":6}}',
    '{"_meta":{"progressToken":5,"a":1,"a":1}}',
  ]) {
    const message = requestOf(`{"jsonrpc":"2.0","id":1,"method":"a","params":${params}}`);
    assert.throws(() => renumber(message, 2), { code: Code.InvalidRequest }, params);
  }
});

test('progress is known by the number of ours that it names', () => {
  const number = (text: string) => progressNumber(parseMessage(text, 64));
  const progress = (token: string) =>
    `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":${token},"progress":1}}`;
  assert.equal(number(progress('3')), 3);
  for (const token of ['"3"', 'null', '{}']) assert.equal(number(progress(token)), undefined, token);
  assert.equal(number('{"jsonrpc":"2.0","method":"notifications/progress"}'), undefined);
  assert.equal(number('{"jsonrpc":"2.0","method":"other","params":{"progressToken":3}}'), undefined);
  assert.equal(
    number('{"jsonrpc":"2.0","id":1,"method":"notifications/progress","params":{"progressToken":3}}'),
    undefined,
  );
});
