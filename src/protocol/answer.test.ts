import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { anyCharacter, jsonObject, someString } from '../../test/support/json-text.ts';
import { answerProblem, isPlainResult, preview } from './answer.ts';
import type { Id } from './envelope.ts';

const problem = (text: string, id: Id) => answerProblem(Buffer.from(text), id);
const LONG = 'x'.repeat(5000);

test('the answer to a request is known by its id, small or large, in any order of its members', () => {
  const id = fc.oneof(fc.maxSafeInteger(), someString);
  fc.assert(
    fc.property(id, id, jsonObject, fc.boolean(), (wanted, got, object, large) => {
      const result = large ? `{"pad":"${LONG}","rest":${object}}` : object;
      const orders = [
        `{"jsonrpc":"2.0","id":${JSON.stringify(got)},"result":${result}}`,
        `{"id":${JSON.stringify(got)},"jsonrpc":"2.0","result":${result}}`,
        `{"result":${result},"jsonrpc":"2.0","id":${JSON.stringify(got)}}`,
        `{"jsonrpc": "2.0", "result": ${result}, "id": ${JSON.stringify(got)}}\n`,
        `{"error":{"code":-1,"message":"no","data":${result}},"id":${JSON.stringify(got)},"jsonrpc":"2.0"}`,
      ];
      for (const text of orders) {
        assert.equal(problem(text, got), undefined, text.slice(0, 100));
        if (got !== wanted) assert.notEqual(problem(text, wanted), undefined, text.slice(0, 100));
      }
    }),
  );
});

test('an id inside of a large result is not taken for the answer’s own', () => {
  const inside = [
    `{"jsonrpc":"2.0","result":{"id":1,"pad":"${LONG}"},"id":2}`,
    `{"result":{"a":[{"id":1},"${LONG}"]},"jsonrpc":"2.0","id":2}`,
    `{"jsonrpc":"2.0","id":2,"result":{"pad":"${LONG}","a":{"id":1}}}`,
    `{"jsonrpc":"2.0","id":2,"result":{"pad":"${LONG}","id":1,"b":2}}`,
    `{"jsonrpc":"2.0","id":12,"result":"${LONG}"}`,
    `{"jsonrpc":"2.0","id":2,"result":{"pad":"${LONG}","id":1}}`,
  ];
  for (const text of inside) assert.match(problem(text, 1) ?? '', /another request/, text.slice(0, 60));
});

test('ids are compared by type as well', () => {
  assert.match(problem('{"jsonrpc":"2.0","id":"1","result":{}}', 1) ?? '', /id "1" in place of 1/);
  assert.match(problem(`{"jsonrpc":"2.0","id":1,"result":"${LONG}"}`, '1') ?? '', /id 1 in place of "1"/);
});

test('an error has a whole number and a text', () => {
  for (const error of [
    '{}',
    'null',
    '"no"',
    '[]',
    '{"code":"E","message":"no"}',
    '{"code":1.5,"message":"no"}',
    '{"code":1}',
  ]) {
    assert.match(problem(`{"jsonrpc":"2.0","id":1,"error":${error}}`, 1) ?? '', /an error without/, error);
  }
  assert.equal(
    problem('{"jsonrpc":"2.0","id":1,"error":{"code":-1,"message":"","data":null}}', 1),
    undefined,
  );
});

test('what is no answer at all is told apart, and shown only at its beginning', () => {
  assert.equal(problem('', 1), 'an empty body');
  assert.match(problem('<html>\u0007', 1) ?? '', /not JSON, beginning with "<html> "/);
  assert.ok((problem(`<p>${LONG}`, 1) ?? '').length < 150);
  const others = [
    '[]',
    '1',
    'null',
    '{}',
    '{"jsonrpc":"2.0","id":1}',
    '{"id":1,"result":{},"error":{}}',
    '[{"jsonrpc":"2.0","id":1,"result":{}}]',
    '{"jsonrpc":"2.0","id":1,"method":"ping"}',
  ];
  for (const text of others) assert.equal(problem(text, 1), 'JSON that is not a JSON-RPC response', text);
  assert.match(problem('{"error":{"code":-32600,"message":"no"},"id":null}', 1) ?? '', /id null/);
  assert.match(problem('{"error":{"code":-32600,"message":"no"}}', 1) ?? '', /another request/);
});

test('a plain result is told by how it begins: no request does so, whatever it holds', () => {
  for (const text of [
    '{"jsonrpc":"2.0","id":7,"result":{"method":"x"}}',
    '{"result":{},"jsonrpc":"2.0","id":7}',
  ])
    assert.equal(isPlainResult(text, 7), true, text);
  const others = [
    '{"jsonrpc":"2.0","id":8,"result":{}}',
    '{"jsonrpc":"2.0","id":"7","result":{}}',
    '{"jsonrpc":"2.0","id":7,"method":"ping","params":{"result":{}}}',
    '{"jsonrpc":"2.0","id":7,"params":{"result":{}},"method":"sampling/createMessage"}',
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{}}',
  ];
  for (const text of others) assert.equal(isPlainResult(text, 7), false, text);
});

test('a preview is one short line of printable characters', () => {
  fc.assert(
    fc.property(fc.string({ unit: anyCharacter, maxLength: 200 }), (text) => {
      assert.match(preview(text), /^"[\x20-\x7e]*"$/);
      assert.ok(preview(text).length <= 122);
    }),
  );
});
