import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { RecordingSink, requestOf } from '../../test/support/fakes.ts';
import { parseMessage } from '../protocol/envelope.ts';
import { Code } from '../protocol/errors.ts';
import { resultTypeOf } from '../protocol/modern/result.ts';
import { LegacyAnswerSink } from './modern-legacy-sink.ts';

function answered(method = 'tools/call') {
  const client = new RecordingSink();
  const asked: unknown[] = [];
  const heard: string[] = [];
  const sink = new LegacyAnswerSink(client, {
    request: requestOf(`{"jsonrpc":"2.0","id":"mine","method":"${method}"}`),
    sentAs: 'modern-1',
    meta: { clientCapabilities: {}, clientInfo: undefined, logLevel: undefined, progressToken: 'token' },
    serverName: 'srv',
    serverInfo: '{"name":"srv","version":"1"}',
    asked: ({ id }) => asked.push(id),
    heard: ({ text }) => heard.push(text),
  });
  return { client, asked, heard, sink };
}

const response = (result: string) => `{"jsonrpc":"2.0","id":"modern-1","result":${result}}`;

test('a result gets its type, the name of its server and the id that the client gave, and stays as it is otherwise', () => {
  const { client, sink } = answered();
  sink.answer(response('{"content":[],  "n":1e400}'));
  const { id, result } = JSON.parse(client.answers[0]!);
  assert.deepEqual([id, result.resultType], ['mine', 'complete']);
  assert.deepEqual(result._meta, { 'io.modelcontextprotocol/serverInfo': { name: 'srv', version: '1' } });
  assert.match(client.answers[0]!, /"content":\[\], {2}"n":1e400/);
});

test('what was read is not to be kept', () => {
  const { client, sink } = answered('resources/read');
  sink.answer(response('{"contents":[]}'));
  const { result } = JSON.parse(client.answers[0]!);
  assert.deepEqual([result.ttlMs, result.cacheScope], [0, 'private']);
});

test('errors are those of the newer version', () => {
  for (const [said, told] of [
    [-32002, -32602],
    [-32601, -32601],
    [-32042, -32603],
  ]) {
    const { client, sink } = answered();
    sink.answer(`{"jsonrpc":"2.0","id":"modern-1","error":{"code":${said},"message":"No"}}`);
    const { id, error } = JSON.parse(client.answers[0]!);
    assert.deepEqual([id, error.code], ['mine', told]);
  }
});

test('a large answer is changed at its beginning only, in whatever pieces it comes', () => {
  const body = 'é'.repeat(20_000);
  const result = `{"contents":[{"text":"${body}"}]}`;
  const texts = [
    response(result),
    `{"result":${result},"jsonrpc":"2.0","id":"modern-1"}`,
    `{ "jsonrpc": "2.0", "id": "modern-1", "result": ${result} }`,
  ];
  fc.assert(
    fc.property(
      fc.constantFrom(...texts),
      fc.integer({ min: 1, max: 9000 }),
      fc.boolean(),
      (text, size, isRead) => {
        const { client, sink } = answered(isRead ? 'resources/read' : 'tools/call');
        const bytes = Buffer.from(text);
        sink.begin(bytes.length);
        for (let at = 0; at < bytes.length; at += size) sink.data(bytes.subarray(at, at + size));
        sink.end();
        const { id, result } = JSON.parse(client.answers[0]!);
        assert.deepEqual(
          [id, result.resultType, result.contents[0].text === body],
          ['mine', 'complete', true],
        );
        assert.equal(result.ttlMs, isRead ? 0 : undefined);
      },
    ),
    { numRuns: 50 },
  );
});

test('whatever a server answers, the client gets one answer or one error', () => {
  fc.assert(
    fc.property(fc.oneof(fc.json(), fc.string(), fc.json().map(response)), (body) => {
      const { client, sink } = answered();
      sink.answer(body);
      assert.equal(client.answers.length + client.failures.length, 1);
      assert.ok(client.failures.every(({ code }) => code === Code.DownstreamProtocol));
      const [text] = client.answers;
      if (text !== undefined) assert.ok([undefined, 'complete'].includes(resultTypeOf(text)), text);
    }),
  );
});

test('what the server asks is not for the client, nor what it says of something else', () => {
  const { client, asked, heard, sink } = answered();
  const say = (text: string) => sink.message(text, parseMessage(text, 10));
  say('{"jsonrpc":"2.0","id":3,"method":"sampling/createMessage","params":{}}');
  assert.deepEqual(asked, [3]);
  say('{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{"uri":"x:y"}}');
  say('{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}');
  assert.equal(heard.length, 2);
  say('{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"emergency"}}');
  say('{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"other","progress":1}}');
  say(
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"modern-1","progress":1}}',
  );
  assert.deepEqual(client.messages, [
    '{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":"token","progress":1}}',
  ]);
});

test('what the server fails of because the client can do too little is told as that', () => {
  for (const failure of ['"result":{"isError":true}', '"error":{"code":-32603,"message":"No"}']) {
    const { client, sink } = answered();
    sink.refused({ sampling: {} });
    sink.answer(`{"jsonrpc":"2.0","id":"modern-1",${failure}}`);
    const { id, error } = JSON.parse(client.answers[0]!);
    assert.deepEqual([id, error.code], ['mine', -32021]);
    assert.deepEqual(error.data, { requiredCapabilities: { sampling: {} } });
  }
});

test('what the server comes to without what it was refused is its answer', () => {
  const { client, sink } = answered();
  sink.refused({ sampling: {} });
  sink.answer(response('{"content":[]}'));
  assert.equal(JSON.parse(client.answers[0]!).result.resultType, 'complete');
});

test('a stream of one message is none to the client, and a slow one is opened for it', (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const quick = answered();
  quick.sink.openStream();
  quick.sink.answer(response('{"content":[]}'));
  t.mock.timers.tick(60_000);
  assert.deepEqual(quick.client.calls, ['answer']);
  const slow = answered();
  slow.sink.openStream();
  t.mock.timers.tick(60_000);
  assert.deepEqual(slow.client.calls, ['openStream']);
});
