import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import fc from 'fast-check';
import { bytesOf, cut, places, singly } from '../../test/support/split.ts';
import { SSE_COMMENT, type SseEvent, SseParser, SseTooLarge, sseEventText } from './sse.ts';

function parse(chunks: readonly Buffer[], maxEventSize = 1_000_000): SseEvent[] {
  const events: SseEvent[] = [];
  const parser = new SseParser((event) => events.push(event), maxEventSize);
  for (const chunk of chunks) parser.push(chunk);
  return events;
}

const parseText = (text: string) => parse([Buffer.from(text)]);

/** The algorithm of the WHATWG specification on the whole text, with the one deviation that SseEvent tells. */
function reference(bytes: Buffer): SseEvent[] {
  const lines = bytes
    .toString('utf8')
    .replace(/^\ufeff/, '')
    .split(/\r\n|\r|\n/)
    .slice(0, -1);
  const events: SseEvent[] = [];
  let fields: [string, string][] = [];
  for (const line of lines) {
    if (line !== '') {
      const [, name = '', value = ''] = /^([^:]*)(?:: ?([\s\S]*))?$/.exec(line) ?? [];
      if (['data', 'event', 'id', 'retry'].includes(name)) fields.push([name, value]);
      continue;
    }
    const all = (name: string) => fields.filter(([each]) => each === name).map(([, value]) => value);
    const retry = all('retry').findLast((value) => /^[0-9]+$/.test(value));
    if (fields.length > 0) {
      events.push({
        event: all('event').at(-1) || 'message',
        data: all('data').join('\n'),
        id: all('id').findLast((value) => !value.includes('\0')),
        retry: retry === undefined ? undefined : Number(retry),
      });
    }
    fields = [];
  }
  return events;
}

const someBytes = bytesOf([
  'data',
  'data: a',
  'data:{"x":1}',
  'data:  two',
  'id: 7',
  'id',
  'event: endpoint',
  'event:',
  'retry: 250',
  'retry: 1s',
  ': comment',
  ':',
  ' ',
  'other: x',
  '\ufeff',
  '\n\n',
]);

test('any split of any bytes gives the events that the specification says', () => {
  fc.assert(
    fc.property(someBytes, places, (bytes, at) => {
      const expected = reference(bytes);
      assert.deepEqual(parse([bytes]), expected);
      assert.deepEqual(parse(cut(bytes, at)), expected);
      assert.deepEqual(parse(singly(bytes)), expected);
    }),
    { numRuns: 500 },
  );
});

test('whether an event is too large does not depend on the split', () => {
  const tooLarge = (chunks: readonly Buffer[], max: number) => {
    try {
      parse(chunks, max);
      return false;
    } catch (error) {
      assert.ok(error instanceof SseTooLarge);
      return true;
    }
  };
  fc.assert(
    fc.property(someBytes, places, fc.nat({ max: 60 }), (bytes, at, max) => {
      const whole = tooLarge([bytes], max);
      assert.equal(tooLarge(cut(bytes, at), max), whole);
      assert.equal(tooLarge(singly(bytes), max), whole);
    }),
  );
});

test('an endless line is stopped, and so is an event of endless lines', () => {
  const parser = new SseParser(() => assert.fail('no event has ended'), 1000);
  assert.throws(() => {
    for (;;) parser.push(Buffer.from('data: no end '));
  }, SseTooLarge);
  const lines = new SseParser(() => assert.fail('no event has ended'), 1000);
  assert.throws(() => {
    for (;;) lines.push(Buffer.from('data:\n'));
  }, SseTooLarge);
});

test('many events of a size that is allowed are no large event', () => {
  const text = sseEventText('x'.repeat(90)).repeat(100);
  assert.equal(parse([Buffer.from(text)], 100).length, 100);
});

test('the forms of events that servers send', () => {
  const plain = { event: 'message', data: '{}', id: undefined, retry: undefined };
  assert.deepEqual(parseText('data: {}\n\n'), [plain]);
  assert.deepEqual(parseText('event: message\r\ndata: {}\r\n\r\n'), [plain]);
  assert.deepEqual(parseText('data:{}\r\r'), [plain]);
  // The event that primes a stream has an id and no data.
  assert.deepEqual(parseText('id: 1\nretry: 500\ndata:\n\n'), [{ ...plain, data: '', id: '1', retry: 500 }]);
  assert.deepEqual(parseText('id: 1\n\n'), [{ ...plain, data: '', id: '1' }]);
  // What one event said is not the next one's.
  assert.deepEqual(parseText('id: 1\nevent: x\ndata: {}\n\ndata: {}\n\n')[1], plain);
  assert.deepEqual(parseText('data: {}\n'), []);
  assert.deepEqual(parseText(`${SSE_COMMENT}data: {}\n\n${SSE_COMMENT}`), [plain]);
});

test('a retry beyond what a timer can count is the longest that it can, not none at all', () => {
  for (const text of ['9'.repeat(400), '99999999999', '2147483648']) {
    assert.equal(parseText(`retry: ${text}\ndata: x\n\n`)[0]?.retry, 2_147_483_647);
  }
});

test('what is written is read as it was, but for the kind of its line breaks', () => {
  const line = fc.constantFrom('{"a":1}', ' x', 'data: y', ':', '', '😀');
  const data = fc
    .array(fc.oneof(line, fc.constantFrom('\n', '\r', '\r\n')), { minLength: 1 })
    .map((parts) => parts.join(''));
  fc.assert(
    fc.property(data, fc.option(fc.constantFrom('1', 'stream/12'), { nil: undefined }), (text, id) => {
      assert.deepEqual(parseText(sseEventText(text, id)), [
        { event: 'message', data: text.replace(/\r\n|\r/g, '\n'), id, retry: undefined },
      ]);
    }),
  );
});

test('a large message is taken in pieces, whatever fields stand around its data', () => {
  const long = 'aé€😀'.repeat(20_000);
  const rest = `"${long}"]}`;
  const lines = (...each: string[]) => [...each, '', ''].join('\n');
  const texts = [
    lines(`data: {"a":["${long}",${rest}`),
    lines('event: message', `data:{"a":["${long}",${rest}`),
    lines('id: 7', 'event: message', `data: {"a":["${long}",${rest}`, 'retry: 5', ': comment', 'x'.repeat(9)),
    lines(`data: {"a":["${long}",`, `data: ${rest}`, 'id: 7', 'event: message'),
    lines(`data: {"a":["${long}",`, 'data', 'event: message', `data:${rest}`),
  ];
  const cuts = fc.array(fc.nat({ max: 420_000 }), { maxLength: 5 });
  fc.assert(
    fc.property(
      fc.nat({ max: texts.length - 1 }),
      cuts,
      fc.integer({ min: 1, max: 9 }),
      (which, at, small) => {
        const bytes = Buffer.from(texts[which]!);
        const head = bytes.subarray(0, 180_000 + small);
        const tail = bytes.subarray(-60);
        const middle = bytes.subarray(head.length, -tail.length);
        const tails = Array.from({ length: Math.ceil(tail.length / small) }, (_, n) =>
          tail.subarray(n * small, (n + 1) * small),
        );
        const parts: Buffer[] = [];
        const events: SseEvent[] = [];
        let ends = 0;
        const taken = { part: (piece: Buffer) => void parts.push(piece), end: () => void ends++ };
        const parser = new SseParser(
          (event) => void events.push(event),
          1_000_000,
          () => taken,
        );
        for (const chunk of [head, ...cut(middle, at), ...tails]) parser.push(chunk);
        assert.equal(ends, 1);
        const whole: unknown = JSON.parse(Buffer.concat(parts).toString());
        // Not by deepEqual, which would print all of it.
        assert.ok(isDeepStrictEqual(whole, { a: [long, long] }), 'nothing is lost');
        assert.ok(Math.max(...parts.map((part) => part.length)) < bytes.length, 'in pieces');
        parser.push(Buffer.from('id: 8\ndata: next\n\n'));
        assert.deepEqual(events, [{ event: 'message', data: 'next', id: '8', retry: undefined }]);
      },
    ),
  );
});

test('a large event of another name is no message to be taken', () => {
  const parser = new SseParser(
    () => {},
    1_000_000,
    () => assert.fail('not a message'),
  );
  parser.push(Buffer.from(`event: other\ndata: ${'x'.repeat(100_000)}`));
});
