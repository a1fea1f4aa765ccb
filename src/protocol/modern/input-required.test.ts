import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { isInputRequiredResult } from '@modelcontextprotocol/server';
import fc from 'fast-check';
import { jsonValue, keyContent } from '../../../test/support/json-text.ts';
import { parseMessage, resultText } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { type InputRequest, readInputRequired } from './input-request.ts';
import {
  inputRequiredResult,
  legacyResponseText,
  NO_RETRY,
  readRetry,
  retryText,
  unanswered,
} from './input-required.ts';
import { editRequest } from './json-edit.ts';
import { MetaKey } from './keys.ts';

const serverInfo = '{"name":"dragon","version":"1"}';
const roots = (key: string): InputRequest => ({
  key,
  method: 'roots/list',
  params: undefined,
  needs: { roots: {} },
});
const invalid = (pattern: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === Code.InvalidParams && pattern.test(error.message);

test('what is asked for is what a client reads', () => {
  const key = fc.uniqueArray(keyContent, { minLength: 1, maxLength: 4 });
  fc.assert(
    fc.property(key, jsonValue, fc.option(fc.string(), { nil: undefined }), (keys, metadata, state) => {
      const requests = keys.map(
        (each, index): InputRequest =>
          index % 2 === 0
            ? roots(each)
            : {
                key: each,
                method: 'sampling/createMessage',
                params: `{"metadata":${metadata}}`,
                needs: { sampling: {} },
              },
      );
      const text = inputRequiredResult(requests, state, serverInfo);
      assert.deepEqual(readInputRequired(resultText(1, text)), { requests, requestState: state });
      const result = JSON.parse(text);
      assert.ok(isInputRequiredResult(result));
      assert.deepEqual(result._meta, { [MetaKey.ServerInfo]: { name: 'dragon', version: '1' } });
    }),
  );
  assert.deepEqual(Object.keys(JSON.parse(inputRequiredResult([], 's', serverInfo))), [
    'resultType',
    'requestState',
    '_meta',
  ]);
  assert.throws(() => inputRequiredResult([], undefined, serverInfo), GatewayError);
});

describe('a retry', () => {
  it('is read from its params', () => {
    const first = { responses: undefined, requestState: undefined };
    assert.deepEqual(readRetry(undefined), first);
    assert.deepEqual(readRetry({ name: 'x' }), first);
    assert.deepEqual(readRetry({ requestState: '' }), { ...first, requestState: '' });
    assert.deepEqual(readRetry({ inputResponses: { a: {} }, requestState: 's' }), {
      responses: { a: {} },
      requestState: 's',
    });
  });

  it('is refused where its own members are malformed', () => {
    for (const each of [null, [], 'x', 7])
      assert.throws(() => readRetry({ inputResponses: each }), invalid(/"inputResponses"/));
    for (const each of [null, [], {}, 7])
      assert.throws(() => readRetry({ requestState: each }), invalid(/"requestState"/));
  });

  it('leaves unanswered what it says nothing of, and may say more than was asked', () => {
    const requests = [roots('a'), roots('b'), roots('__proto__')];
    assert.deepEqual(unanswered(requests, undefined), requests);
    assert.deepEqual(unanswered(requests, { a: { roots: [] }, c: 'anything' }), [
      roots('b'),
      roots('__proto__'),
    ]);
    assert.deepEqual(unanswered([], { c: 7 }), []);
  });

  const elicit: InputRequest = { key: 'k', method: 'elicitation/create', params: '{}', needs: {} };
  const sample: InputRequest = { key: 'k', method: 'sampling/createMessage', params: '{}', needs: {} };
  const good: readonly (readonly [InputRequest, object])[] = [
    [elicit, { action: 'accept', content: { a: 1 } }],
    [elicit, { action: 'accept' }],
    [elicit, { action: 'decline' }],
    [elicit, { action: 'cancel' }],
    [sample, { role: 'assistant', model: 'm', content: { type: 'text', text: 't' } }],
    [sample, { role: 'assistant', model: 'm', content: [] }],
    [roots('k'), { roots: [] }],
  ];
  for (const [asked, answer] of good) {
    it(`answers ${asked.method} with ${JSON.stringify(answer)}`, () => {
      assert.deepEqual(unanswered([asked], { k: answer }), []);
    });
  }
  const bad: readonly (readonly [InputRequest, unknown])[] = [
    [elicit, 12345],
    [elicit, null],
    [elicit, []],
    [elicit, {}],
    [elicit, { action: 'maybe' }],
    [elicit, { action: 'accept', content: 'x' }],
    [sample, { role: 'assistant', content: {} }],
    [sample, { role: 'assistant', model: 'm' }],
    [roots('k'), { roots: {} }],
    [roots('k'), { method: 'roots/list', result: { roots: [] } }],
  ];
  for (const [asked, answer] of bad) {
    it(`does not answer ${asked.method} with ${JSON.stringify(answer)}`, () => {
      assert.throws(() => unanswered([asked], { k: answer }), invalid(/"inputResponses" under "k"/));
    });
  }

  it('gives a legacy server the response to its request, to the byte', () => {
    fc.assert(
      fc.property(jsonValue, keyContent, (value, key) => {
        const text = `{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"inputResponses":{${JSON.stringify(key)}: ${value} },"name":"x"}}`;
        assert.equal(legacyResponseText(text, key, '"s"'), `{"jsonrpc":"2.0","id":"s","result":${value}}`);
        assert.equal(legacyResponseText(text, `${key}?`, '1'), undefined);
      }),
    );
  });
});

test('a call is sent again with the answers and the state of this round only', () => {
  const first =
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{"n":12345678901234567890}}}';
  const second = retryText(
    first,
    '2',
    [
      ['a', '{"roots":[]}'],
      ['b"', '{"action":"cancel"}'],
    ],
    's"1',
  );
  assert.deepEqual(JSON.parse(second!), {
    jsonrpc: '2.0',
    id: 2,
    method: 'tools/call',
    params: {
      name: 'x',
      arguments: { n: Number('12345678901234567890') },
      inputResponses: { a: { roots: [] }, 'b"': { action: 'cancel' } },
      requestState: 's"1',
    },
  });
  assert.ok(second?.includes('12345678901234567890'));
  const third = JSON.parse(retryText(second!, '"x"', [], undefined)!);
  assert.deepEqual(Object.keys(third.params), ['name', 'arguments']);
  assert.equal(third.id, 'x');
  assert.equal(editRequest(second!, { id: '1', params: NO_RETRY }), first);
  const message = parseMessage(second!, 64);
  assert.ok(message.kind === 'request');
  assert.deepEqual(readRetry(message.params).requestState, 's"1');
});
