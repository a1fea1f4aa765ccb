import assert from 'node:assert/strict';
import { test } from 'node:test';
import { deserialize, serialize } from 'node:v8';
import { Code, GatewayError } from '../protocol/errors.ts';
import { Channel, type Wire } from './channel.ts';

/** Two ends of a pipe, and what breaks it. */
function pipe() {
  const ends = [0, 1].map(() => ({ hear: (_: unknown) => {}, close: () => {} }));
  const wire = (own: number): Wire => ({
    send: (message) => {
      const copy = serialize(message);
      setImmediate(() => ends[1 - own]!.hear(deserialize(copy)));
    },
    onMessage: (listener) => {
      ends[own]!.hear = listener;
    },
    onClose: (listener) => {
      ends[own]!.close = listener;
    },
  });
  return {
    a: new Channel(wire(0)),
    b: new Channel(wire(1)),
    breakOff: () => {
      for (const end of ends) end.close();
    },
  };
}

const has =
  (code: Code, message: RegExp) =>
  (error: unknown): boolean =>
    error instanceof GatewayError && error.code === code && message.test(error.message);

test('calls go both ways, and answers to whoever has called', async () => {
  const { a, b } = pipe();
  a.serve('double', (n: number) => n * 2);
  b.serve('later', async (text: string, bytes: Buffer) => ({ text, bytes, none: undefined }));
  const bytes = Buffer.from([1, 2, 3]);
  const [two, eight, later] = await Promise.all([
    b.call('double', 1),
    b.call('double', 4),
    a.call('later', 'é', bytes),
  ]);
  assert.deepEqual([two, eight], [2, 8]);
  assert.deepEqual(later, { text: 'é', bytes, none: undefined });
});

test('what a handler throws reaches the caller, and nothing else of it', async () => {
  const { a, b } = pipe();
  b.serve('refuse', () => {
    throw new GatewayError(Code.Conflict, 'Somebody was faster');
  });
  b.serve('break', async () => {
    throw new Error('s3cret');
  });
  await assert.rejects(a.call('refuse'), has(Code.Conflict, /^Somebody was faster$/));
  await assert.rejects(a.call('break'), has(Code.Internal, /^Internal error$/));
  await assert.rejects(a.call('nothing'), has(Code.Unavailable, /Starting/));
});

test('what is told is in order with what is called, and harms nobody where it fails', async () => {
  const { a, b } = pipe();
  const heard: unknown[] = [];
  b.serve('note', (n: number) => {
    heard.push(n);
    if (n === 2) throw new Error('of the test');
  });
  a.tell('note', 1);
  a.tell('note', 2);
  a.tell('unknown');
  await a.call('note', 3);
  assert.deepEqual(heard, [1, 2, 3]);
});

test('nobody waits for the other end once it has gone', async () => {
  const { a, b, breakOff } = pipe();
  b.serve('never', () => new Promise(() => {}));
  const call = a.call('never');
  breakOff();
  await assert.rejects(call, has(Code.Unavailable, /shutting down/));
  await assert.rejects(a.call('never'), has(Code.Unavailable, /shutting down/));
  a.tell('never');
});
