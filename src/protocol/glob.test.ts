import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { globMatches } from './glob.ts';

/** The definition, word for word. */
function reference(pattern: string, name: string): boolean {
  if (pattern === '') return name === '';
  if (pattern[0] === '*') {
    return reference(pattern.slice(1), name) || (name !== '' && reference(pattern, name.slice(1)));
  }
  return (
    name !== '' &&
    (pattern[0] === '?' || pattern[0] === name[0]) &&
    reference(pattern.slice(1), name.slice(1))
  );
}

test('patterns mean what they say, on names that hold wildcards too', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '?'), maxLength: 8 });
  fc.assert(
    fc.property(text, text, (pattern, name) => {
      assert.equal(globMatches(pattern, name), reference(pattern, name));
    }),
    { numRuns: 2000 },
  );
});

test('what means something in a regular expression means itself', () => {
  for (const [pattern, name, expected] of [
    ['a.c', 'abc', false],
    ['a.*', 'a.c', true],
    ['[ab]', 'a', false],
    ['(a|b)+', '(a|b)+', true],
    ['\\*', '\\x', true],
    ['*_issue', 'create_issue', true],
    ['*_issue', 'create_issues', false],
    ['A', 'a', false],
    ['a\n*', 'a\nb', true],
  ] as const) {
    assert.equal(globMatches(pattern, name), expected, `${pattern} ${name}`);
  }
});

test('many stars on a name that does not match cost little', () => {
  assert.equal(globMatches('*a'.repeat(120), `${'a'.repeat(4000)}b`), false);
});
