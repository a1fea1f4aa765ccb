import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { templateMatches } from './uri-template.ts';

const literal = fc.string({ unit: fc.constantFrom('a', 'b', '/', ':'), maxLength: 3 });
const expression = fc.constantFrom('{id}', '{+path}', '{?q,r}', '{}', '{#f*}');

test('a template matches as the regular expression with a wildcard for each expression', () => {
  const parts = fc.array(fc.oneof(literal, expression), { maxLength: 6 });
  const uri = fc.string({ unit: fc.constantFrom('a', 'b', '/', ':'), maxLength: 9 });
  fc.assert(
    fc.property(parts, uri, (template, candidate) => {
      const pattern = template.map((part) => (part.startsWith('{') ? '.*' : part)).join('');
      assert.equal(templateMatches(template.join(''), candidate), new RegExp(`^${pattern}$`).test(candidate));
    }),
    { numRuns: 2000 },
  );
});

test('whatever a template expands to matches it', () => {
  const parts = fc.array(fc.tuple(literal, fc.string({ maxLength: 6 })), { maxLength: 5 });
  fc.assert(
    fc.property(parts, literal, (pairs, end) => {
      const template = pairs.map(([text]) => `${text}{x}`).join('') + end;
      const uri = pairs.map(([text, value]) => text + value).join('') + end;
      assert.ok(templateMatches(template, uri));
    }),
  );
});

test('examples of servers in use', () => {
  assert.ok(templateMatches('file:///{path}', 'file:///etc/hosts'));
  assert.ok(templateMatches('repo://{owner}/{repo}/contents{/path*}', 'repo://o/r/contents/src/a.ts'));
  assert.ok(!templateMatches('file:///{path}', 'http:///x'));
  assert.ok(!templateMatches('demo://dynamic/{id}.txt', 'demo://dynamic/1.bin'));
  assert.ok(!templateMatches('a://x', 'a://xy'));
  assert.ok(!templateMatches('aa{x}aa', 'aaa'));
  // A brace that is not closed is no expression.
  assert.ok(templateMatches('a{b', 'a{b'));
});

test('a template of many expressions on a long URI that does not match costs little', () => {
  assert.equal(templateMatches(`${'{x}a'.repeat(2000)}{x}b`, 'a'.repeat(100_000)), false);
});
