import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  escaped,
  holeAt,
  jsonArray,
  jsonObject,
  jsonValue,
  keyContent,
  space,
  writtenAs,
} from '../../test/support/json-text.ts';
import { arrayElements, depthExceeds, locate, objectMembers, outlineOf, splice } from './json-text.ts';

test('the members of any object are those that JSON.parse finds', () => {
  fc.assert(
    fc.property(jsonObject, space, space, (text, before, after) => {
      const all = before + text + after;
      const parsed = JSON.parse(all);
      const members = objectMembers(all);
      assert.ok(members !== undefined);
      assert.deepEqual([...members.keys()].sort(), Object.keys(parsed).sort());
      for (const [key, { start, end }] of members) {
        const value = all.slice(start, end);
        assert.equal(value, value.trim());
        assert.deepEqual(JSON.parse(value), Object.getOwnPropertyDescriptor(parsed, key)?.value);
      }
    }),
  );
});

test('the elements of any array are those that JSON.parse finds', () => {
  fc.assert(
    fc.property(jsonArray, space, (text, before) => {
      const all = before + text;
      const elements = arrayElements(all).map(({ start, end }) => all.slice(start, end));
      assert.deepEqual(
        elements.map((each) => JSON.parse(each)),
        JSON.parse(all),
      );
      for (const each of elements) assert.equal(each, each.trim());
    }),
  );
});

test('what is no object has no members, and what is no array no elements', () => {
  for (const text of ['1', '"{}"', 'null', ' [ {"a":1} ]']) assert.equal(objectMembers(text)?.size, 0);
  for (const text of ['1', '"[1]"', 'null', ' {"a":[1]}']) assert.deepEqual(arrayElements(text), []);
});

test('a key that stands twice is noticed, however it is written and wherever it stands', () => {
  const written = writtenAs(keyContent);
  const member = fc.tuple(written, jsonValue);
  fc.assert(
    fc.property(
      fc.uniqueArray(member, { minLength: 1, maxLength: 6, selector: ([{ content }]) => content }),
      fc.nat(),
      fc.nat(),
      jsonValue,
      fc.constantFrom(JSON.stringify, escaped),
      (members, which, where, value, write) => {
        const texts = members.map(([{ text }, each]) => `${text}:${each}`);
        const [twice] = members[which % members.length]!;
        texts.splice(where % (texts.length + 1), 0, `${write(twice.content)}:${value}`);
        const text = `{${texts.join(',')}}`;
        assert.equal(objectMembers(text), undefined);
        assert.equal(locate(text, [twice.content]), undefined);
        assert.equal(locate(`{"a":${text}}`, ['a', twice.content]), undefined);
      },
    ),
  );
});

test('a value is found at its path, and nothing else changes when it is replaced', () => {
  const paths = fc.constantFrom(
    ['id'],
    ['params', 'name'],
    ['params', '_meta', 'progressToken'],
    ['', '__proto__'],
  );
  fc.assert(
    fc.property(
      paths.chain((path) => fc.tuple(fc.constant(path), holeAt(path))),
      jsonValue,
      jsonValue,
      ([path, { before, after }], value, replacement) => {
        const text = before + value + after;
        assert.deepEqual(locate(text, path), { start: before.length, end: before.length + value.length });
        assert.equal(splice(text, locate(text, path)!, replacement), before + replacement + after);
      },
    ),
  );
});

test('a path that leads nowhere has no span', () => {
  const text = '{"a":{"b":[{"c":1}]},"s":"{\\"b\\":1}"}';
  for (const path of [
    ['b'],
    ['a', 'c'],
    ['a', 'b', 'c'],
    ['a', 'b', '0'],
    ['s', 'b'],
    ['a', 'b', 'c', 'd'],
  ]) {
    assert.equal(locate(text, path), undefined, path.join('.'));
  }
});

test('the depth of any value is measured as a reader of it would', () => {
  const depthOf = (value: unknown): number =>
    typeof value === 'object' && value !== null ? 1 + Math.max(0, ...Object.values(value).map(depthOf)) : 0;
  fc.assert(
    fc.property(jsonValue, (text) => {
      const depth = depthOf(JSON.parse(text));
      assert.equal(depthExceeds(text, depth), false);
      if (depth > 0) assert.equal(depthExceeds(text, depth - 1), true);
    }),
  );
});

test('depth is measured on text that is no JSON as well', () => {
  assert.equal(depthExceeds('['.repeat(1_000_000), 64), true);
  assert.equal(depthExceeds('{"a":'.repeat(65), 64), true);
  assert.equal(depthExceeds('"'.repeat(1001), 0), false);
  assert.equal(depthExceeds(`"${'[{'.repeat(100)}`, 0), false);
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom('"', '\\', '[', ']', 'a') }), (text) => {
      assert.equal(depthExceeds(text, text.length), false);
    }),
  );
});

test('one look at an object tells what several would', () => {
  const params = fc.oneof(jsonObject, jsonValue);
  fc.assert(
    fc.property(
      jsonObject,
      fc.array(params, { maxLength: 2 }),
      fc.nat({ max: 6 }),
      (object, inner, limit) => {
        const members = inner.map((text) => `"params" : ${text}`).join(',');
        const text =
          members === ''
            ? object
            : object.replace(/^(\s*\{)(\s*\})?/, (_, open, end) => `${open}${members}${end ?? ','}`);
        JSON.parse(text);
        const outline = outlineOf(text, limit);
        assert.equal(outline.isTooDeep, depthExceeds(text, limit));
        if (outline.isTooDeep) return;
        assert.deepEqual(outline.members, objectMembers(text));
        const span = locate(text, ['params']);
        const isObject = span !== undefined && text[span.start] === '{';
        assert.deepEqual(outline.params, isObject ? objectMembers(text, span.start) : undefined);
      },
    ),
    { numRuns: 500 },
  );
});

test('one look at any text comes to an end', () => {
  const piece = fc.constantFrom(
    '{',
    '}',
    '[',
    ']',
    ':',
    ',',
    '"',
    '\\',
    '"params"',
    'x',
    ' ',
    '"a":',
    '{"params":{',
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const text = pieces.join('');
      const { members } = outlineOf(`{${text}`, 3);
      for (const { start, end } of members?.values() ?? []) assert.ok(start <= end);
    }),
    { numRuns: 2000 },
  );
});
