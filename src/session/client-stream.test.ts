import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { ClientStream, type StreamWriter } from './client-stream.ts';
import { eventId, parseEventId, parseRequestStreamId, requestStreamId } from './event-id.ts';
import { EventLog } from './event-log.ts';

const LIMITS = { maxSize: 1_000_000, keepMs: 60_000 };

/** A connection that writes down what it is given, until it breaks. */
class Connection implements StreamWriter {
  readonly events: { readonly id: string; readonly data: string }[] = [];
  isBroken = false;
  ended = 0;
  #large: { id: string; data: string } | undefined;

  write(data: string, id: string | undefined): boolean {
    if (!this.isBroken) this.events.push({ id: id ?? '', data });
    return true;
  }

  begin(id: string): void {
    this.#large = { id, data: '' };
  }

  part(bytes: Buffer): boolean {
    if (this.#large !== undefined) this.#large.data += bytes.toString();
    return true;
  }

  finish(): void {
    if (this.#large !== undefined && !this.isBroken) this.events.push(this.#large);
    this.#large = undefined;
  }

  end(): void {
    this.ended++;
  }
}

const dataOf = ({ events }: Connection) => events.map(({ data }) => data);
const STREAM = requestStreamId(1, 'q', 'node');
const newStream = (limits = LIMITS, options = {}) =>
  new ClientStream(STREAM, new EventLog(limits), { after: 0, primes: false, ...options });

test('a client that comes back with its last event id sees everything once and in order, however often it goes', () => {
  const step = fc.constantFrom('send', 'send', 'break', 'close', 'connect');
  fc.assert(
    fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
      const stream = newStream();
      const seen: { readonly id: string; readonly data: string }[] = [];
      let connection: Connection | undefined;
      let sent = 0;
      const leave = () => {
        if (connection === undefined) return;
        seen.push(...connection.events);
        stream.detach(connection);
        connection = undefined;
      };
      const connect = () => {
        leave();
        const last = seen.at(-1);
        connection = new Connection();
        // Without an id a client is a new one: what it missed on a connection that broke is nobody's to know.
        stream.attach(connection, last === undefined ? 0 : parseEventId(last.id)?.sequence);
      };
      for (const each of steps) {
        if (each === 'send') stream.send(String(++sent));
        else if (each === 'connect') connect();
        else if (each === 'close') leave();
        else if (connection !== undefined) connection.isBroken = true;
      }
      connect();
      leave();
      assert.deepEqual(
        seen.map(({ data }) => data),
        Array.from({ length: sent }, (_, index) => String(index + 1)),
      );
      assert.equal(new Set(seen.map(({ id }) => id)).size, sent);
    }),
    { numRuns: 500 },
  );
});

test('what nobody was connected for waits for the first who is, and only for that one', () => {
  const stream = newStream();
  stream.send('1');
  stream.send('2');
  const [first, second] = [new Connection(), new Connection()];
  stream.attach(first, undefined);
  stream.attach(second, undefined);
  assert.deepEqual([dataOf(first), dataOf(second)], [['1', '2'], []]);
});

test('of several connections the newest is written to; when it goes, the one before', () => {
  const stream = newStream();
  const [first, second] = [new Connection(), new Connection()];
  stream.attach(first, undefined);
  stream.attach(second, undefined);
  assert.equal(stream.count, 2);
  stream.send('1');
  stream.detach(second);
  stream.send('2');
  assert.deepEqual([dataOf(first), dataOf(second)], [['2'], ['1']]);
  stream.detach(second);
  stream.detach(first);
  assert.deepEqual([stream.isOpen, stream.count], [false, 0]);
});

test('a stream that has ended gives what it had to whoever comes back, and ends it', () => {
  const stream = newStream();
  const first = new Connection();
  stream.attach(first, undefined);
  stream.send('1');
  stream.send('2');
  stream.end();
  assert.deepEqual([first.ended, stream.isOpen, stream.isEnded], [1, false, true]);
  const second = new Connection();
  stream.attach(second, 1);
  assert.deepEqual([dataOf(second), second.ended, stream.count], [['2'], 1, 0]);
});

test('a slow client is told of, as its connection says', () => {
  const stream = newStream();
  const slow = new Connection();
  slow.write = () => false;
  stream.attach(slow, undefined);
  assert.equal(stream.send('1'), false);
  stream.detach(slow);
  assert.equal(stream.send('2'), true);
});

test('a large message goes out in pieces under an id of its own', () => {
  const stream = newStream();
  const connection = new Connection();
  stream.attach(connection, undefined);
  stream.send('1');
  stream.begin('substitute');
  assert.equal(stream.isHalfSent, true);
  stream.part(Buffer.from('lar'));
  stream.part(Buffer.from('ge'));
  stream.finish();
  assert.equal(stream.isHalfSent, false);
  assert.deepEqual(connection.events.at(-1), { id: eventId(STREAM, 2), data: 'large' });
});

test('a client that loses its connection within a large message gets the substitute, and no second half', () => {
  const stream = newStream();
  const [first, second] = [new Connection(), new Connection()];
  stream.attach(first, undefined);
  stream.send('1');
  stream.begin('substitute');
  stream.part(Buffer.from('lar'));
  stream.detach(first);
  stream.attach(second, 1);
  assert.equal(stream.part(Buffer.from('ge')), true);
  stream.finish();
  stream.end();
  assert.deepEqual([dataOf(first), dataOf(second)], [['1'], ['substitute']]);
});

test('a large message for nobody is its substitute', () => {
  const stream = newStream();
  stream.begin('substitute');
  stream.part(Buffer.from('large'));
  stream.finish();
  const late = new Connection();
  stream.attach(late, undefined);
  assert.deepEqual(dataOf(late), ['substitute']);
});

test('what is too large to keep is sent, and has a substitute for whoever comes back', () => {
  const stream = newStream({ maxSize: 10, keepMs: 1000 });
  const [first, second] = [new Connection(), new Connection()];
  stream.attach(first, undefined);
  stream.answer('x'.repeat(10), 'not kept');
  stream.answer('x'.repeat(11), 'not kept');
  assert.deepEqual(dataOf(first), ['x'.repeat(10), 'x'.repeat(11)]);
  stream.attach(second, 1);
  assert.deepEqual(second.events, [{ id: eventId(stream.id, 2), data: 'not kept' }]);
});

test('a stream that goes on where a node has stopped counts from there', () => {
  const stream = newStream(LIMITS, { after: 7 });
  const connection = new Connection();
  stream.attach(connection, 7);
  stream.send('8', 'p8');
  stream.send('9');
  const back = new Connection();
  stream.attach(back, 8);
  assert.deepEqual(
    [connection.events, back.events],
    [
      [
        { id: eventId(STREAM, 8, 'p8'), data: '8' },
        { id: eventId(STREAM, 9), data: '9' },
      ],
      [{ id: eventId(STREAM, 9), data: '9' }],
    ],
  );
});

test('a client that gets nothing yet gets an id to come back with, and a new one where the server moves on', () => {
  const stream = newStream(LIMITS, { primes: true });
  const [first, second, third] = [new Connection(), new Connection(), new Connection()];
  stream.attach(first, undefined);
  stream.moveTo('p0');
  stream.moveTo('p0');
  stream.send('1', 'p1');
  stream.moveTo('q1');
  stream.detach(first);
  stream.attach(second, 0);
  stream.attach(third, 1);
  const [p1, q1] = [eventId(STREAM, 1, 'p1'), eventId(STREAM, 1, 'q1')];
  assert.deepEqual(first.events, [
    { id: eventId(STREAM, 0), data: '' },
    { id: eventId(STREAM, 0, 'p0'), data: '' },
    { id: p1, data: '1' },
    { id: q1, data: '' },
  ]);
  assert.deepEqual(second.events, [{ id: p1, data: '1' }]);
  assert.deepEqual(third.events, [{ id: q1, data: '' }]);
  stream.end();
  const late = new Connection();
  stream.attach(late, 1);
  // With an id it would come back for more, again and again.
  assert.deepEqual([late.events, late.ended], [[], 1]);
});

test('a client that takes no events without data gets none', () => {
  const stream = newStream();
  const connection = new Connection();
  stream.attach(connection, undefined);
  stream.moveTo('p');
  assert.deepEqual(connection.events, []);
  stream.detach(connection);
});

test('an event id names its stream and its place in it; what is no id of ours is none', () => {
  fc.assert(
    fc.property(
      fc.nat(),
      fc.oneof(fc.string(), fc.integer()),
      fc.stringMatching(/^[A-Za-z0-9][A-Za-z0-9._-]{0,20}$/),
      fc.nat(),
      fc.option(fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/), { nil: undefined }),
      (count, requestId, nodeId, sequence, position) => {
        const streamId = requestStreamId(count, requestId, nodeId);
        assert.deepEqual(parseEventId(eventId(streamId, sequence, position)), {
          streamId,
          sequence,
          position,
        });
        assert.deepEqual(parseRequestStreamId(streamId), { nodeId, requestId });
      },
    ),
  );
  assert.deepEqual(parseEventId('g_7'), { streamId: 'g', sequence: 7, position: undefined });
  assert.deepEqual(parseEventId('g_7~p'), { streamId: 'g', sequence: 7, position: 'p' });
  assert.equal(parseRequestStreamId('g'), undefined);
  assert.equal(parseRequestStreamId(requestStreamId(1, 'x'.repeat(1000), 'n'))?.requestId, null);
  for (const text of [
    '',
    '1',
    'g',
    'g_',
    '_1',
    'g_-1',
    'g_1.5',
    'g_1 ',
    'g_1\n',
    'G_1',
    'g_1_2',
    'g-1',
    `${STREAM}_1~`,
    `${STREAM}_1~p~q`,
    `g_1~${'p'.repeat(1025)}`,
    `${STREAM}_1~${'p'.repeat(1025)}`,
    `g_${'9'.repeat(16)}`,
  ]) {
    assert.equal(parseEventId(text), undefined, JSON.stringify(text));
  }
});
