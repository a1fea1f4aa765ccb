import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecordingSink, requestOf } from '../../test/support/fakes.ts';
import { parseMessage } from '../protocol/envelope.ts';
import { Code } from '../protocol/errors.ts';
import { resultTypeOf } from '../protocol/modern/result.ts';
import { ModernRelaySink } from './modern-relay-sink.ts';

const IDENTITY = '{"name":"gateway","version":"1"}';

function relayed(method = 'tools/call', capabilities = {}) {
  const client = new RecordingSink();
  const heard: string[] = [];
  const sink = new ModernRelaySink(client, {
    request: requestOf(`{"jsonrpc":"2.0","id":1,"method":"${method}"}`),
    meta: { clientCapabilities: capabilities, clientInfo: undefined, logLevel: 'error', progressToken: 7 },
    serverId: 's',
    serverName: 'srv',
    identity: IDENTITY,
    heard: (message) => heard.push(message.text),
    mismatched: () => false,
  });
  return { client, heard, sink };
}

const response = (result: string) => `{"jsonrpc":"2.0","id":1,"result":${result}}`;

test('an answer that says it is complete passes as the bytes that it came as', () => {
  for (const result of ['{"resultType":"complete","n":1e400}', '{"a":"é\\n", "resultType":"complete"}']) {
    const { client, sink } = relayed();
    sink.answer(Buffer.from(response(result)));
    assert.deepEqual(client.answers, [response(result)]);
  }
});

test('a type that is written in another way, stands elsewhere too, or only there is found', () => {
  const cases = [
    ['{"result\\u0054ype":"input_required","x":{"resultType":"complete"}}', undefined],
    ['{"resultType":"surprise","structuredContent":{"resultType":"complete"}}', undefined],
    ['{"structuredContent":{"resultType":"complete"},"resultType":"surprise"}', undefined],
    ['{"structuredContent":{"resultType":"surprise"},"resultType":"complete"}', 'complete'],
    ['{"resultType": "complete"}', 'complete'],
    ['{"content":[]}', 'complete'],
  ] as const;
  for (const [result, type] of cases) {
    const { client, sink } = relayed();
    sink.answer(response(result));
    if (type === undefined) assert.equal(client.failures[0]?.code, Code.DownstreamProtocol, result);
    else assert.equal(resultTypeOf(client.answers[0]!), type, result);
  }
});

test('whatever a server answers, the client gets one answer or one error, and no type that it cannot read', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.json(), fc.string(), fc.json().map(response)),
      fc.constantFrom('tools/call', 'resources/read', 'prompts/get', 'completion/complete', 'tasks/get'),
      (body, method) => {
        const { client, sink } = relayed(method);
        sink.answer(Buffer.from(body));
        assert.equal(client.answers.length + client.failures.length, 1);
        const [text] = client.answers;
        if (text !== undefined) assert.ok([undefined, 'complete'].includes(resultTypeOf(text)), text);
      },
    ),
  );
});

test('a large answer passes in pieces where it says at its beginning that it is complete, else whole', () => {
  const long = `"x":"${'y'.repeat(10_000)}"`;
  const cases: [string, string, readonly string[]][] = [
    ['tools/call', response(`{"resultType":"complete",${long}}`), ['begin', 'end']],
    ['tools/call', response(`{${long},"resultType":"complete"}`), ['answer']],
    ['tools/call', response(`{${long},"resultType":"input_required"}`), ['fail']],
    ['resources/read', response(`{"resultType":"complete",${long}}`), ['answer']],
  ];
  for (const [method, text, calls] of cases) {
    const { client, sink } = relayed(method);
    sink.begin(text.length);
    for (let at = 0; at < text.length; at += 4096) sink.data(Buffer.from(text.slice(at, at + 4096)));
    sink.end();
    assert.deepEqual(client.calls, calls, text.slice(0, 60));
    if (method === 'tools/call') assert.ok(client.answers.every((answer) => answer === text));
    else assert.match(client.answers[0]!, /"cacheScope":"private"/);
  }
});

test('only notifications about the request reach the client', () => {
  const { client, heard, sink } = relayed();
  const say = (method: string, params = '{}') => {
    const text = `{"jsonrpc":"2.0","method":"${method}","params":${params}}`;
    sink.message(text, parseMessage(text, 10));
    return client.messages.at(-1) === text;
  };
  assert.ok(say('notifications/progress', '{"progressToken":7,"progress":1}'));
  assert.ok(!say('notifications/progress', '{"progressToken":"7","progress":1}'));
  assert.ok(say('notifications/message', '{"level":"critical"}'));
  assert.ok(!say('notifications/message', '{"level":"warning"}'));
  assert.ok(!say('notifications/message', '{"level":"nonsense"}'));
  assert.ok(say('notifications/x-of-an-extension'));
  for (const method of [
    'tools/list_changed',
    'resources/updated',
    'tasks',
    'cancelled',
    'subscriptions/acknowledged',
  ])
    assert.ok(!say(`notifications/${method}`), method);
  assert.equal(heard.length, 1);
});
