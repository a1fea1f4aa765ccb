import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Policy } from './policy.ts';
import { type PolicySettings, readPolicy } from './rules.ts';

const problemOf = (json: unknown) => {
  const read = readPolicy(typeof json === 'string' ? json : JSON.stringify(json));
  return 'problem' in read ? read.problem : 'none';
};

test('a policy says what it is to do without a rule that matches, or it allows', () => {
  assert.deepEqual(readPolicy('{"rules":[]}'), { default: 'allow', rules: [] });
  assert.equal((readPolicy('\uFEFF{"default":"deny","rules":[]}') as PolicySettings).default, 'deny');
});

test('what is wrong is named with its rule and its member', () => {
  const cases: readonly (readonly [unknown, RegExp])[] = [
    ['{', /^it is not JSON: /],
    [[], /^it: /],
    [{}, /^rules: /],
    [{ rules: [], defaults: 'deny' }, /defaults/],
    [{ default: 'maybe', rules: [] }, /^default: /],
    [{ rules: [{}] }, /^rule 1, effect: /],
    [{ rules: [{ effect: 'allow' }, { name: 'x', effect: 'deny', tool: ['y'] }] }, /^rule 2 \(x\): .*tool/],
    [{ rules: [{ effect: 'deny', tools: [] }] }, /^rule 1, tools: /],
    [{ rules: [{ effect: 'deny', tools: 'x' }] }, /^rule 1, tools: /],
    [{ rules: [{ effect: 'deny', tools: [''] }] }, /^rule 1, tools\.0: /],
    [{ rules: [{ effect: 'deny', annotations: {} }] }, /^rule 1, annotations: /],
    [
      { rules: [{ effect: 'deny', annotations: { readOnlyHint: true } }] },
      /^rule 1, annotations: .*readOnlyHint/,
    ],
    [{ rules: [{ effect: 'deny', prompts: ['x'], when: 'true' }] }, /^rule 1, when: .*prompts/],
    [
      { rules: [{ effect: 'deny', resources: ['x'], annotations: { readOnly: true } }] },
      /^rule 1, annotations: .*resources/,
    ],
  ];
  for (const [json, expected] of cases) assert.match(problemOf(json), expected, JSON.stringify(json));
});

test('a condition that is none, or asks for what there is not, is refused with its rule', async () => {
  const refused = async (when: string) => {
    const read = readPolicy(
      JSON.stringify({ rules: [{ effect: 'allow' }, { name: 'x', effect: 'deny', when }] }),
    );
    assert.ok(!('problem' in read));
    return Policy.of(read);
  };
  for (const when of ['args.', '1 +', 'arg.x', 'args.x > amount', '"a" in role'])
    await assert.rejects(refused(when), { name: 'SyntaxError', message: /^rule 2 \(x\), when: / }, when);
  for (const when of [
    'args.list.exists(x, x > 1)',
    'args.list.all(i, i.startsWith("a"))',
    'has(args.x) && type(args.x) == int',
    'args.text.lowerAscii() == "a"',
    'args.text.matches("^a+$")',
  ])
    await refused(when);
});
