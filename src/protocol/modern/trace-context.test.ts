import assert from 'node:assert/strict';
import { test } from 'node:test';
import { traceContextOf } from './trace-context.ts';

const traceparent = '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01';

test('a trace context is read as W3C has it', () => {
  assert.deepEqual(traceContextOf({ traceparent, tracestate: 'a=1,b=2', baggage: 'user=7;p, k=v' }), {
    traceparent,
    tracestate: 'a=1,b=2',
    baggage: 'user=7;p, k=v',
  });
  assert.deepEqual(traceContextOf({ traceparent }), {
    traceparent,
    tracestate: undefined,
    baggage: undefined,
  });
  const later = `cc-${traceparent.slice(3)}-what-the-future-will-be-like`;
  assert.equal(traceContextOf({ traceparent: later })?.traceparent, later);
});

test('a malformed one is none, and its lists go with it or alone', () => {
  const bad = [
    7,
    '',
    traceparent.toUpperCase(),
    traceparent.slice(0, -1),
    `${traceparent}-more`,
    `ff${traceparent.slice(2)}`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-0af7651916cd43dd8448eb211c80319c-${'0'.repeat(16)}-01`,
    `cc-${traceparent.slice(3)}-${'x'.repeat(300)}`,
    `${traceparent}\n`,
  ];
  for (const each of bad)
    assert.equal(traceContextOf({ traceparent: each, tracestate: 'a=1' }), undefined, String(each));
  const context = traceContextOf({ traceparent, tracestate: 'a=\r\nEvil: 1', baggage: 'x'.repeat(9000) });
  assert.deepEqual(context, { traceparent, tracestate: undefined, baggage: undefined });
  assert.equal(traceContextOf({}), undefined);
});
