import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { fakeCatalog, fakeServer } from '../../test/support/fakes.ts';
import { jsonObject } from '../../test/support/json-text.ts';
import { Code } from '../protocol/errors.ts';
import { readListAnswer } from './list-answer.ts';
import { Pace } from './pace.ts';
import { buildSnapshot } from './snapshot.ts';

const read = (text: string) => readListAnswer(text, 'tools', 'files', new Pace());

const answer = (list: string, rest = '') => `{"jsonrpc":"2.0","id":1,"result":{${rest}"tools":${list}}}`;

test('every element of a list is read, byte for byte, and what stands around it', async () => {
  const space = fc.constantFrom('', ' ', '\n\t');
  await fc.assert(
    fc.asyncProperty(fc.array(jsonObject, { maxLength: 8 }), space, async (texts, gap) => {
      const list = `[${gap}${texts.join(`${gap},${gap}`)}${gap}]`;
      const { frame, elements } = await read(answer(list, '"nextCursor":"]","_meta":{"tools":[1]},'));
      assert.deepEqual(
        elements?.map(({ text }) => text),
        texts,
      );
      assert.deepEqual(
        elements.map(({ value }) => value),
        texts.map((text) => JSON.parse(text)),
      );
      assert.deepEqual(frame.result, { nextCursor: ']', _meta: { tools: [1] }, tools: [] });
    }),
  );
});

test('text with one character more, less or other is read as JSON.parse reads it, or refused', async () => {
  const whole = answer('[{"name":"a","x":[1,"]"]} , {"name":"b"},3]');
  const at = fc.nat({ max: whole.length - 1 });
  const put = fc.constantFrom('', ',', '[', ']', '{', '}', '"', ':', ' ', 'x', '1', '\\');
  await fc.assert(
    fc.asyncProperty(at, fc.nat({ max: 1 }), put, async (index, cut, character) => {
      const text = whole.slice(0, index) + character + whole.slice(index + cut);
      const outcome = await read(text).catch(() => undefined);
      if (outcome === undefined) return;
      const { result } = JSON.parse(text);
      assert.deepEqual(
        outcome.elements?.map(({ value }) => value),
        Array.isArray(result?.tools) ? result.tools : undefined,
      );
    }),
    { numRuns: 1000 },
  );
});

test('an answer without the list is read whole, an error too', async () => {
  for (const result of ['{}', '{"tools":null}', '[]', '{"tools":{"tools":[]}}']) {
    const { frame, elements } = await read(`{"jsonrpc":"2.0","id":1,"result":${result}}`);
    assert.deepEqual([elements, frame.result], [undefined, JSON.parse(result)]);
  }
  await assert.rejects(read('{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no tools"}}'), {
    name: 'DownstreamAnswerError',
    code: -32601,
    message: 'no tools',
  });
  for (const text of ['{"jsonrpc":"2.0","id":1,"method":"x"}', answer('[1,]'), answer('[{"a":1]')])
    await assert.rejects(read(text), { code: Code.DownstreamProtocol, message: /^Server "files"/ });
});

test('a list of thousands leaves others their turns, when it is read and when it is merged', async () => {
  const tool = (number: number) => ({ name: `tool-${number}`, inputSchema: { type: 'object' } });
  const text = answer(JSON.stringify(Array.from({ length: 20_000 }, (_, number) => tool(number))));
  let turns = 0;
  const takeTurns = () => {
    turns++;
    turn = setImmediate(takeTurns);
  };
  let turn = setImmediate(takeTurns);
  const { elements = [] } = await read(text);
  assert.equal(elements.length, 20_000);
  assert.ok(turns > 1, 'nobody had a turn while the list was read');
  turns = 0;
  const tools = elements.map(({ text }, number) => ({
    key: `tool-${number}`,
    entry: tool(number),
    text,
    keySpan: { start: 8, end: 8 + `"tool-${number}"`.length },
  }));
  const catalog = fakeCatalog({}, { tools });
  const snapshot = await buildSnapshot([{ server: fakeServer('s', { prefix: 'p' }), catalog }], 1000);
  clearImmediate(turn);
  assert.ok(snapshot.tools.has('p__tool-19999'));
  assert.ok(turns > 1, 'nobody had a turn while the list was merged');
});
