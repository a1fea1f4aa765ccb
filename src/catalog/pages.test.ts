import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { jsonObject } from '../../test/support/json-text.ts';
import { encodeCursor, type ListKind } from '../protocol/cursor.ts';
import { Code } from '../protocol/errors.ts';
import { Pace } from './pace.ts';
import { ListPages } from './pages.ts';

const kind = fc.constantFrom<ListKind>('tools', 'resources', 'resourceTemplates', 'prompts');
const entries = fc.array(jsonObject, { maxLength: 12 });
const pageSize = fc.integer({ min: 1, max: 5 });

const pagesOf = (kind: ListKind, texts: readonly string[], size: number) =>
  ListPages.of(kind, texts, size, new Pace());

/** All pages, as a client walks them. */
function walk(pages: ListPages): Record<string, unknown>[] {
  const results: Record<string, unknown>[] = [];
  let cursor: unknown;
  do {
    const result: Record<string, unknown> = JSON.parse(pages.page(cursor).toString());
    results.push(result);
    cursor = result.nextCursor;
    assert.ok(results.length <= 20, 'the pages have no end');
  } while (cursor !== undefined);
  return results;
}

test('whoever walks all pages sees every entry once, in order, and no page is larger than asked', async () => {
  await fc.assert(
    fc.asyncProperty(kind, entries, pageSize, async (list, texts, size) => {
      const pages = walk(await pagesOf(list, texts, size)).map((result) => result[list] as unknown[]);
      assert.deepEqual(
        pages.flat(),
        texts.map((text) => JSON.parse(text)),
      );
      assert.equal(pages.length, Math.max(1, Math.ceil(texts.length / size)));
      for (const page of pages) assert.ok(page.length <= size);
    }),
  );
});

test('an entry is in its page byte for byte', async () => {
  await fc.assert(
    fc.asyncProperty(jsonObject, async (text) => {
      assert.equal((await pagesOf('tools', [text], 1)).page(undefined), `{"tools":[${text}]}`);
    }),
  );
});

test('the version changes when the list does, and only then', async () => {
  await fc.assert(
    fc.asyncProperty(entries, entries, pageSize, pageSize, async (one, other, size, otherSize) => {
      const same = JSON.stringify(one) === JSON.stringify(other);
      const version = (await pagesOf('tools', one, size)).version;
      assert.equal((await pagesOf('tools', other, size)).version === version, same);
      assert.equal((await pagesOf('tools', [...one], otherSize)).version, version);
      if (one.length > 1) {
        const turned = [...one.slice(1), ...one.slice(0, 1)];
        assert.equal(
          (await pagesOf('tools', turned, size)).version === version,
          JSON.stringify(turned) === JSON.stringify(one),
        );
      }
    }),
  );
});

test('a cursor of another list, of the list as it was, or of no page at all is refused', async () => {
  const texts = ['{"name":"a"}', '{"name":"b"}', '{"name":"c"}'];
  const before = await pagesOf('tools', texts, 1);
  const cursor: unknown = JSON.parse(before.page(undefined).toString()).nextCursor;
  assert.deepEqual(JSON.parse(before.page(cursor).toString()).tools, [{ name: 'b' }]);
  const refused = { code: Code.InvalidParams };
  const outdated = { code: Code.InvalidParams, message: /outdated/ };
  const after = await pagesOf('tools', [...texts, '{"name":"d"}'], 1);
  assert.throws(() => after.page(cursor), outdated);
  const others = await pagesOf('prompts', texts, 1);
  assert.throws(() => others.page(cursor), refused);
  for (const page of [3, 4, 999_999]) {
    assert.throws(() => before.page(encodeCursor('tools', before.version, page)), refused);
  }
  // The same list in larger pages, as after a restart with other settings.
  const larger = await pagesOf('tools', texts, 3);
  assert.throws(() => larger.page(cursor), refused);
  for (const bad of [null, '', 1, {}, 'x', Buffer.from('__proto__').toString('base64url')]) {
    assert.throws(() => before.page(bad), refused, String(bad));
  }
});
