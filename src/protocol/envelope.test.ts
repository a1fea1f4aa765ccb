import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { holeAt, jsonObject, jsonValue, someString } from '../../test/support/json-text.ts';
import {
  errorText,
  InvalidMessage,
  isId,
  notificationText,
  own,
  parseBody,
  parseMessage,
  replaceAt,
  requestText,
  resultText,
  stringParam,
} from './envelope.ts';
import { Code, GatewayError } from './errors.ts';

const DEPTH = 64;

function refusal(text: string, depth = DEPTH): GatewayError {
  try {
    parseBody(text, depth);
  } catch (error) {
    assert.ok(error instanceof GatewayError, String(error));
    return error;
  }
  return assert.fail(`was taken: ${text}`);
}

test('requests, notifications and responses are told apart', () => {
  const kinds = [
    ['{"jsonrpc":"2.0","id":1,"method":"ping"}', 'request'],
    ['{"jsonrpc":"2.0","id":"","method":"ping","params":{}}', 'request'],
    ['{"jsonrpc":"2.0","method":"ping"}', 'notification'],
    ['{"jsonrpc":"2.0","id":1,"result":{}}', 'response'],
    ['{"jsonrpc":"2.0","id":1,"result":null}', 'response'],
    ['{"jsonrpc":"2.0","id":"1","error":{"code":1,"message":""}}', 'response'],
    ['\r\n\t {"jsonrpc":"2.0","method":"ping"} \n', 'notification'],
    ['{"jsonrpc":"2.0","\\u006dethod":"ping"}', 'notification'],
  ] as const;
  for (const [text, kind] of kinds) {
    const message = parseMessage(text, DEPTH);
    assert.equal(message.kind, kind, text);
    assert.equal(message.text, text);
  }
});

test('what is no JSON is a parse error', () => {
  for (const text of ['', ' ', '{', '{"a":1}{', 'undefined', "{'a':1}", '{"a":1,}', '\ufeff{}', '[1,]']) {
    const error = refusal(text);
    assert.equal(error.code, Code.ParseError, text);
    assert.ok(!(error instanceof InvalidMessage));
  }
});

test('what is JSON and no message is refused under its id, where it has one', () => {
  const cases: readonly (readonly [string, string | number | null])[] = [
    ['1', null],
    ['null', null],
    ['"{}"', null],
    ['[]', null],
    ['[[]]', null],
    ['[{"jsonrpc":"2.0","method":"a"},1]', null],
    ['{}', null],
    ['{"id":1,"method":"ping"}', 1],
    ['{"jsonrpc":"1.0","id":1,"method":"ping"}', 1],
    ['{"jsonrpc":2.0,"id":1,"method":"ping"}', 1],
    ['{"jsonrpc":"2.0","id":null,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":{},"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":true,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":1e400,"method":"ping"}', null],
    ['{"jsonrpc":"2.0","id":"x","method":7}', 'x'],
    ['{"jsonrpc":"2.0","id":"x","method":"ping","params":[]}', 'x'],
    ['{"jsonrpc":"2.0","id":"x","method":"ping","params":null}', 'x'],
    ['{"jsonrpc":"2.0","id":"x"}', 'x'],
    ['{"jsonrpc":"2.0","id":2,"result":{},"error":{}}', 2],
    ['{"jsonrpc":"2.0","id":null,"error":{}}', null],
    ['{"jsonrpc":"2.0","error":{}}', null],
    // Twice the same key: two readers, two messages.
    ['{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}', 1],
    ['{"jsonrpc":"2.0","id":1,"method":"ping","\\u0069d":1}', 1],
    ['{"__proto__":{"method":"ping","jsonrpc":"2.0"},"id":1}', 1],
  ];
  for (const [text, id] of cases) {
    const error = refusal(text);
    assert.ok(error instanceof InvalidMessage, text);
    assert.equal(error.code, Code.InvalidRequest);
    assert.equal(error.id, id, text);
  }
});

test('an id that a number cannot hold exactly is refused, not answered under another', () => {
  for (const id of ['9007199254740993', '-9007199254740993', '1e300', '0.5']) {
    const error = refusal(`{"jsonrpc":"2.0","id":${id},"method":"ping"}`);
    assert.ok(error instanceof InvalidMessage, id);
    assert.equal(error.id, null);
  }
  assert.equal(isId(Number.MAX_SAFE_INTEGER), true);
  for (const value of [Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, 0.5, null, undefined, true, {}, 1n]) {
    assert.equal(isId(value), false, String(value));
  }
});

test('text that nests too deeply is refused before it is parsed', () => {
  for (const text of ['['.repeat(100_000), `{"a":${'{"a":'.repeat(64)}1${'}'.repeat(65)}`]) {
    assert.equal(refusal(text).code, Code.InvalidRequest);
  }
  const deep = `{"jsonrpc":"2.0","method":"a","params":{"x":${'['.repeat(6)}${']'.repeat(6)}}}`;
  assert.equal(parseMessage(deep, 8).kind, 'notification');
  assert.equal(refusal(deep, 7).code, Code.InvalidRequest);
});

test('the messages of a batch keep each its own text', () => {
  const message = fc.tuple(jsonObject, fc.integer()).map(([params, id]) => ({
    id,
    text: `{"id":${id},"params":${params}, "jsonrpc":"2.0","method":"a"}`,
  }));
  fc.assert(
    fc.property(fc.array(message, { minLength: 1, maxLength: 5 }), (messages) => {
      const parsed = parseBody(` [${messages.map(({ text }) => text).join(' ,\n')}]`, DEPTH);
      assert.ok(Array.isArray(parsed));
      assert.deepEqual(
        parsed.map((each) => each.kind === 'request' && { id: each.id, text: each.text }),
        messages,
      );
    }),
  );
});

test('any message is kept byte for byte, and so is all of it but the value that is replaced', () => {
  const paths = fc.constantFrom(
    ['params', 'name'],
    ['params', 'ref', 'uri'],
    ['params', '_meta', 'progressToken'],
  );
  fc.assert(
    fc.property(
      paths.chain(([, ...path]) => fc.tuple(fc.constant(path), holeAt(path))),
      jsonValue,
      someString,
      fc.boolean(),
      ([path, { before, after }], value, name, first) => {
        const [head, tail] = first
          ? ['{"params":', ',"id":12345678901,"jsonrpc":"2.0","method":"a/b","x":1e400}']
          : ['{"method":"a/b" ,"id":"\\u0031", "jsonrpc":"2.0","params":', '}'];
        const text = head + before + value + after + tail;
        const message = parseMessage(text, DEPTH);
        assert.equal(message.text, text);
        assert.equal(
          replaceAt(message, ['params', ...path], JSON.stringify(name)),
          head + before + JSON.stringify(name) + after + tail,
        );
      },
    ),
  );
});

test('a key that stands twice on the way to a value leaves it alone', () => {
  const twice = [
    '{"params":{"name":"a","name":"b"}}',
    '{"params":{"name":"a","n\\u0061me":"b"}}',
    '{"params":{"name":"a","x":1,"x":1}}',
    '{"params":{"name":"a"},"params":{"name":"a"}}',
  ];
  for (const text of twice) assert.equal(replaceAt({ text }, ['params', 'name'], '"c"'), undefined, text);
});

test('what the gateway writes is read back as it was meant', () => {
  const id = fc.oneof(fc.maxSafeInteger(), someString);
  fc.assert(
    fc.property(id, someString, jsonObject, (id, method, object) => {
      const params: unknown = JSON.parse(object);
      const request = parseMessage(requestText(id, method, params), DEPTH);
      assert.ok(request.kind === 'request');
      assert.deepEqual(
        [request.id, request.method, request.params],
        [id, method, JSON.parse(JSON.stringify(params))],
      );
      const notification = parseMessage(notificationText(method), DEPTH);
      assert.ok(notification.kind === 'notification');
      assert.deepEqual([notification.method, notification.params], [method, undefined]);
      const result = parseMessage(resultText(id, object), DEPTH);
      assert.ok(result.kind === 'response');
      assert.deepEqual([result.id, result.result, result.error], [id, params, undefined]);
      const failure = parseMessage(errorText(id, -1, method, params), DEPTH);
      assert.ok(failure.kind === 'response');
      assert.deepEqual(failure.id, id);
      assert.deepEqual(failure.error, {
        code: -1,
        message: method,
        data: JSON.parse(JSON.stringify(params)),
      });
    }),
  );
  assert.equal(errorText(null, 1, 'x'), '{"jsonrpc":"2.0","id":null,"error":{"code":1,"message":"x"}}');
});

test('a member is the object’s own or none', () => {
  const value = JSON.parse('{"__proto__":{"a":1},"b":2}');
  assert.equal(own(value, 'a'), undefined);
  assert.equal(own(value, 'toString'), undefined);
  assert.deepEqual(own(value, '__proto__'), { a: 1 });
  assert.equal(own(value, 'b'), 2);
});

test('a parameter that must be a string is named when it is not', () => {
  assert.equal(stringParam({ name: '' }, 'name'), '');
  for (const params of [undefined, {}, { name: 1 }, { name: null }, { name: ['a'] }]) {
    assert.throws(() => stringParam(params, 'name'), { code: Code.InvalidParams, message: /"name"/ });
  }
  assert.throws(() => stringParam({}, 'toString'), { code: Code.InvalidParams });
});
