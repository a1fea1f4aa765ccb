import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createSampling, type SamplerName } from './sampling.ts';

const ID = '0af7651916cd43dd8448eb211c80319c';
const SAMPLED = `00-${ID}-b7ad6b7169203331-01`;
const NOT = `00-${ID}-b7ad6b7169203331-00`;

for (const [name, ratio, ...expected] of [
  ['always_on', 0, true, true, true],
  ['always_off', 1, false, false, false],
  ['traceidratio', 1, true, true, true],
  ['traceidratio', 0, false, false, false],
  ['parentbased_always_on', 0, true, true, false],
  ['parentbased_always_off', 1, false, true, false],
  ['parentbased_traceidratio', 0, false, true, false],
  ['parentbased_traceidratio', 1, true, true, false],
] as const satisfies readonly (readonly [SamplerName, number, boolean, boolean, boolean])[]) {
  test(`${name} of ${ratio}: without a parent, of one that is sampled, of one that is not`, () => {
    const isSampled = createSampling(name, ratio);
    assert.deepEqual([undefined, SAMPLED, NOT].map(isSampled), expected);
  });
}

test('of a trace that is known every node decides alike', () => {
  const isSampled = createSampling('traceidratio', 0.5);
  const answers = ['0', 'f'].map((digit) => isSampled(`00-${digit.repeat(31)}1-b7ad6b7169203331-00`));
  assert.equal(isSampled(`00-00000000000000000000000000000001-b7ad6b7169203331-00`), true);
  assert.equal(isSampled(`00-000000000000000000000000fffffff0-b7ad6b7169203331-00`), false);
  assert.equal(answers.length, 2);
});

test('a share of what begins here is sampled', () => {
  const isSampled = createSampling('parentbased_traceidratio', 0.25);
  let count = 0;
  for (let each = 0; each < 20_000; each++) if (isSampled(undefined)) count++;
  assert.ok(count > 4000 && count < 6000, String(count));
});
