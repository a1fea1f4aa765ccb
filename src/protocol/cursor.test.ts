import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { decodeCursor, encodeCursor, type ListKind } from './cursor.ts';
import { Code } from './errors.ts';

const KINDS: readonly ListKind[] = ['tools', 'resources', 'resourceTemplates', 'prompts'];
const kind = fc.constantFrom(...KINDS);
const version = fc.stringMatching(/^[A-Za-z0-9_-]{12}$/);

test('a cursor leads to its page of its list in its version, and nowhere else', () => {
  fc.assert(
    fc.property(
      kind,
      version,
      fc.nat({ max: 99_999 }),
      kind,
      version,
      (of, at, page, otherKind, otherVersion) => {
        const cursor = encodeCursor(of, at, page);
        assert.match(cursor, /^[A-Za-z0-9_-]+$/);
        assert.equal(decodeCursor(cursor, of, at, page + 1), page);
        const bad = { code: Code.InvalidParams, message: /"cursor"/ };
        assert.throws(() => decodeCursor(cursor, of, at, page), bad);
        if (otherKind !== of) assert.throws(() => decodeCursor(cursor, otherKind, at, page + 1), bad);
        if (otherVersion !== at) assert.throws(() => decodeCursor(cursor, of, otherVersion, page + 1), bad);
      },
    ),
  );
});

test('what is no cursor of ours is refused as a parameter', () => {
  const made = (text: string) => Buffer.from(text).toString('base64url');
  const bad = [
    null,
    0,
    1,
    {},
    [],
    true,
    '',
    '0',
    '%',
    made(''),
    made('tools.v'),
    made('tools.v.'),
    made('tools.v.-1'),
    made('tools.v.1.0'),
    made('tools.v.1e0'),
    made('tools.v. 1'),
    made('tools.v.9999999'),
    made('tools.v.2'),
    made('tools..1'),
    made('TOOLS.v.1'),
  ];
  for (const cursor of bad) {
    assert.throws(() => decodeCursor(cursor, 'tools', 'v', 2), { code: Code.InvalidParams }, String(cursor));
  }
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.string()), (cursor) => {
      assert.throws(() => decodeCursor(cursor, 'tools', 'version', 10), { code: Code.InvalidParams });
    }),
  );
});
