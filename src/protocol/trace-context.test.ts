import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseMessage, type RequestMessage } from './envelope.ts';
import { traceOf, traceOfHeaders, withTrace } from './trace-context.ts';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const OTHER = '00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01';

function requestOf(text: string): RequestMessage {
  const message = parseMessage(text, 64);
  assert.equal(message.kind, 'request');
  return message as RequestMessage;
}

test('headers that are no trace context are none', () => {
  assert.equal(traceOfHeaders({ accept: '*/*' }), undefined);
  for (const traceparent of [
    'x',
    PARENT.toUpperCase(),
    `${PARENT}-more`,
    PARENT.replace('00-', 'ff-'),
    '00-00000000000000000000000000000000-b7ad6b7169203331-01',
    '00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01',
    [PARENT, PARENT],
  ])
    assert.equal(traceOfHeaders({ traceparent, tracestate: 'a=1' }), undefined, String(traceparent));
  const read = traceOfHeaders({ traceparent: PARENT, tracestate: 'a'.repeat(513), baggage: 'k=\u00e9' });
  assert.deepEqual(read, { traceparent: PARENT, tracestate: undefined, baggage: undefined });
});

test('what _meta says goes before headers, each of the two as a whole', () => {
  const headers = { traceparent: PARENT, tracestate: 'a=1', baggage: 'who=header' };
  assert.deepEqual(traceOf({ _meta: { traceparent: OTHER } }, headers), {
    traceparent: OTHER,
    tracestate: undefined,
    baggage: 'who=header',
  });
  assert.deepEqual(traceOf({ _meta: { traceparent: 'bad', baggage: 'who=meta' } }, headers), {
    traceparent: PARENT,
    tracestate: 'a=1',
    baggage: 'who=meta',
  });
  assert.equal(traceOf({ _meta: 7 }, headers), headers);
  assert.equal(traceOf(undefined, headers), headers);
  assert.equal(traceOf(JSON.parse('{"__proto__":{"_meta":{"traceparent":"x"}}}'), undefined), undefined);
});

const CONTEXT = { traceparent: PARENT, tracestate: 'a=1', baggage: undefined };
const SAID = `"traceparent":"${PARENT}","tracestate":"a=1"`;

for (const [what, before, after] of [
  [
    'params without _meta',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{"n":12345678901234567890}}}',
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{${SAID}},"name":"t","arguments":{"n":12345678901234567890}}}`,
  ],
  [
    'an empty _meta',
    '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{ }}}',
    `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"_meta":{${SAID} }}}`,
  ],
  [
    'a _meta with other members',
    '{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t", "_meta" : {"progressToken":1}}}',
    `{"jsonrpc":"2.0","id":"a","method":"tools/call","params":{"name":"t", "_meta" : {${SAID},"progressToken":1}}}`,
  ],
  [
    'a context of its own, and a state that belonged to it',
    `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"tracestate":"old=1","traceparent":"${OTHER}","baggage":"k=v"}}}`,
    `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"tracestate":"a=1","traceparent":"${PARENT}","baggage":"k=v"}}}`,
  ],
  [
    'a key that is written in another way',
    `{"jsonrpc":"2.0","id":1,"method":"x","params":{"\\u005fmeta":{"trace\\u0070arent":"${OTHER}"}}}`,
    `{"jsonrpc":"2.0","id":1,"method":"x","params":{"\\u005fmeta":{"tracestate":"a=1","trace\\u0070arent":"${PARENT}"}}}`,
  ],
  [
    'no params',
    '{"jsonrpc":"2.0","id":1,"method":"tools/list"}',
    `{"params":{"_meta":{${SAID}}},"jsonrpc":"2.0","id":1,"method":"tools/list"}`,
  ],
] as const) {
  test(`a request with ${what} says its context, and all else as before`, () => {
    const { text, traced } = withTrace(requestOf(before), CONTEXT);
    assert.equal(text, after);
    assert.deepEqual(traced, ['traceparent', PARENT, 'tracestate', 'a=1']);
  });
}

test('a state of another parent goes, where the new one has none', () => {
  const before = `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"tracestate":"old=1","traceparent":"${OTHER}"}}}`;
  const { text } = withTrace(requestOf(before), { traceparent: PARENT });
  assert.deepEqual(JSON.parse(text).params._meta, { traceparent: PARENT });
});

for (const [what, text] of [
  ['a _meta that is no object', '{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":[1]}}'],
  ['a _meta that stands twice', '{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{},"_meta":{}}}'],
  [
    'a key of _meta that stands twice',
    `{"jsonrpc":"2.0","id":1,"method":"x","params":{"_meta":{"traceparent":"${OTHER}","traceparent":"${OTHER}"}}}`,
  ],
] as const) {
  test(`${what} is left as it is`, () => assert.equal(withTrace(requestOf(text), CONTEXT).text, text));
}
