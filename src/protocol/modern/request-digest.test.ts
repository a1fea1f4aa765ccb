import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonObject } from '../../../test/support/json-text.ts';
import type { Params } from '../envelope.ts';
import { requestDigest } from './request-digest.ts';

const digest = (method: string, params?: Params) => requestDigest({ method, params }).toString('hex');

/** The same value with the keys of all objects the other way round. */
function reversed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(reversed);
  if (typeof value !== 'object' || value === null) return value;
  const turned = Object.create(null);
  for (const [key, each] of Object.entries(value).reverse()) turned[key] = reversed(each);
  return turned;
}

test('all rounds of a request have one digest, however they are written', () => {
  fc.assert(
    fc.property(jsonObject, (text) => {
      const first: Params = { name: 'x', arguments: JSON.parse(text) };
      const again = {
        requestState: 's',
        inputResponses: { a: 1 },
        _meta: { progressToken: 2 },
        ...(reversed(first) as Params),
      };
      assert.equal(digest('tools/call', again), digest('tools/call', first));
      assert.notEqual(digest('prompts/get', first), digest('tools/call', first));
    }),
  );
});

test('whatever else differs has another digest', () => {
  const digests = [
    digest('tools/call'),
    digest('tools/call', { name: 'x' }),
    digest('tools/call', { name: 'y' }),
    digest('tools/call', { name: 'x', arguments: {} }),
    digest('tools/call', { name: 'x', arguments: null }),
    digest('tools/call', { name: 'x', arguments: { a: 1, b: 2 } }),
    digest('tools/call', { name: 'x', arguments: { a: 2, b: 1 } }),
    digest('tools/call', { name: 'x', arguments: { a: '1', b: 2 } }),
    digest('tools/call', { name: 'x', arguments: { a: [1, 2] } }),
    digest('tools/call', { name: 'x', arguments: { a: [2, 1] } }),
    digest('tools/call', { name: 'x', arguments: { a: { b: 1 } } }),
    digest('tools/call', { name: 'x', arguments: { 'a":{"b': 1 } }),
    digest('tools/call', { name: 'x', arguments: JSON.parse('{"__proto__":{"a":1}}') }),
    digest('tools/call', { name: 'x', arguments: { _meta: 1 } }),
    digest('tools/call', { name: 'x', arguments: { requestState: 's' } }),
    digest('prompts/get', { name: 'x' }),
  ];
  assert.equal(new Set(digests).size, digests.length);
  assert.equal(digest('m', {}), digest('m'));
});
