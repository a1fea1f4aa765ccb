import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import fc from 'fast-check';
import { jsonValue } from '../../../test/support/json-text.ts';
import { parseMessage, type RequestMessage } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import {
  inputRequestOf,
  inputRequestsOfRefusal,
  legacyRequestText,
  readInputRequired,
} from './input-request.ts';

function request(text: string): RequestMessage {
  const message = parseMessage(text, 1000);
  assert.ok(message.kind === 'request');
  return message;
}

const ask = (method: string, params?: object) =>
  request(JSON.stringify({ jsonrpc: '2.0', id: 's', method, params }));

describe("a legacy server's request", () => {
  it('becomes an entry that keeps its params to the byte', () => {
    fc.assert(
      fc.property(jsonValue, (schema) => {
        const params = `{"message":"m", "requestedSchema":${schema}}`;
        const asked = inputRequestOf(
          'k',
          request(`{"jsonrpc":"2.0","id":1,"method":"elicitation/create","params":${params}}`),
        );
        assert.deepEqual(asked, {
          key: 'k',
          method: 'elicitation/create',
          params,
          needs: { elicitation: { form: {} } },
        });
      }),
    );
  });

  it('loses what only a message of its own has', () => {
    const asked = inputRequestOf(
      'k',
      ask('elicitation/create', {
        mode: 'url',
        elicitationId: 'e',
        message: 'm',
        url: 'https://a',
        task: {},
        _meta: { progressToken: 1 },
      }),
    );
    assert.deepEqual(JSON.parse(asked!.params!), { mode: 'url', message: 'm', url: 'https://a' });
    assert.deepEqual(asked!.needs, { elicitation: { url: {} } });
    assert.deepEqual(inputRequestOf('k', ask('roots/list')), {
      key: 'k',
      method: 'roots/list',
      params: undefined,
      needs: { roots: {} },
    });
  });

  it('is no entry where no modern client can be asked', () => {
    for (const method of ['ping', 'tasks/get', 'unknown'])
      assert.equal(inputRequestOf('k', ask(method, {})), undefined);
    const twice = request(
      '{"jsonrpc":"2.0","id":1,"method":"sampling/createMessage","params":{"a":1,"a":2}}',
    );
    assert.equal(inputRequestOf('k', twice), undefined);
  });
});

test('a refusal until a page was opened becomes the pages to open', () => {
  const data = {
    elicitations: [
      { mode: 'url', url: 'https://a', message: 'm', elicitationId: 'e' },
      { url: 'https://b', message: 'n' },
    ],
  };
  const asked = inputRequestsOfRefusal(data, 'page');
  assert.deepEqual(
    asked?.map(({ key, method, params }) => [key, method, JSON.parse(params!)]),
    [
      ['page1', 'elicitation/create', { mode: 'url', message: 'm', url: 'https://a' }],
      ['page2', 'elicitation/create', { mode: 'url', message: 'n', url: 'https://b' }],
    ],
  );
  for (const bad of [
    undefined,
    {},
    { elicitations: [] },
    { elicitations: [7] },
    { elicitations: [{ url: 'https://a' }] },
  ]) {
    assert.equal(inputRequestsOfRefusal(bad, 'p'), undefined);
  }
});

describe('an answer that asks for input', () => {
  const response = (result: object) =>
    JSON.stringify({ jsonrpc: '2.0', id: 1, result: { resultType: 'input_required', ...result } });

  it('is read, with what each entry needs', () => {
    const read = readInputRequired(
      '{"jsonrpc":"2.0","id":1,"result":{"resultType":"input_required","requestState":"s\\u00e4","inputRequests":{' +
        '"a":{"method":"sampling/createMessage","params":{"maxTokens":12345678901234567890,"tools":[]}},"b":{"method":"roots/list"}}}}',
    );
    assert.equal(read.requestState, 'sä');
    assert.deepEqual(read.requests, [
      {
        key: 'a',
        method: 'sampling/createMessage',
        params: '{"maxTokens":12345678901234567890,"tools":[]}',
        needs: { sampling: { tools: {} } },
      },
      { key: 'b', method: 'roots/list', params: undefined, needs: { roots: {} } },
    ]);
    assert.deepEqual(readInputRequired(response({ requestState: '' })), { requests: [], requestState: '' });
  });

  const bad: Readonly<Record<string, object>> = {
    'nothing to do': {},
    'no requests and no state': { inputRequests: {} },
    'a state that is no text': { requestState: 7 },
    'requests in a list': { inputRequests: [], requestState: 's' },
    'a request that is none': { inputRequests: { a: 7 } },
    'a request without a method': { inputRequests: { a: { params: {} } } },
    'a method that no client knows': { inputRequests: { a: { method: 'tools/call', params: {} } } },
    'params that are no object': { inputRequests: { a: { method: 'roots/list', params: [] } } },
    'no params': { inputRequests: { a: { method: 'elicitation/create' } } },
  };
  for (const [what, result] of Object.entries(bad)) {
    it(`is not MCP with ${what}`, () => {
      assert.throws(
        () => readInputRequired(response(result)),
        (error) => error instanceof GatewayError && error.code === Code.DownstreamProtocol,
      );
    });
  }

  it('is not MCP with an entry twice', () => {
    const twice = '{"result":{"inputRequests":{"a":{"method":"roots/list"},"a":{"method":"roots/list"}}}}';
    assert.throws(() => readInputRequired(twice), GatewayError);
  });
});

test('an entry is asked of a legacy client as a legacy server would', () => {
  const text = (result: object) => {
    const [first] = readInputRequired(JSON.stringify({ result: { inputRequests: { a: result } } })).requests;
    return JSON.parse(legacyRequestText(first!, '"home:1"', 'e-1'));
  };
  assert.deepEqual(text({ method: 'roots/list' }), { jsonrpc: '2.0', id: 'home:1', method: 'roots/list' });
  assert.deepEqual(text({ method: 'elicitation/create', params: { message: 'm' } }), {
    jsonrpc: '2.0',
    id: 'home:1',
    method: 'elicitation/create',
    params: { message: 'm' },
  });
  assert.deepEqual(
    text({ method: 'elicitation/create', params: { mode: 'url', url: 'https://a', message: 'm' } }).params,
    {
      mode: 'url',
      url: 'https://a',
      message: 'm',
      elicitationId: 'e-1',
    },
  );
});
