import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Code, GatewayError } from '../protocol/errors.ts';
import { pageByKey, toPageRequest } from './pages.ts';

const self = (text: string) => text;

function allPages(entriesAt: (page: number) => readonly string[], pageSize: number): string[] {
  const seen: string[] = [];
  let pageToken: string | undefined;
  for (let index = 0; ; index += 1) {
    const request = pageToken === undefined ? { pageSize } : { pageSize, pageToken };
    const page = pageByKey(entriesAt(index), self, request);
    seen.push(...page.items);
    pageToken = page.nextPageToken;
    if (pageToken === undefined) return seen;
  }
}

test('all pages together are all entries, once, in order', () => {
  fc.assert(
    fc.property(fc.uniqueArray(fc.string()), fc.integer({ min: 1, max: 10 }), (entries, pageSize) => {
      assert.deepEqual(
        allPages(() => entries, pageSize),
        entries.toSorted((a, b) => (a < b ? -1 : 1)),
      );
    }),
  );
});

test('entries that stay are neither skipped nor doubled when others come and go', () => {
  const before = ['b', 'd', 'f', 'h'];
  const after = ['a', 'b', 'e', 'f', 'g', 'h'];
  const seen = allPages((page) => (page === 0 ? before : after), 2);
  assert.deepEqual(seen, ['b', 'd', 'e', 'f', 'g', 'h']);
});

test('a token after the last entry answers an empty last page', () => {
  const { nextPageToken } = pageByKey(['a', 'z'], self, { pageSize: 1 });
  assert.deepEqual(pageByKey([], self, { pageSize: 1, pageToken: nextPageToken! }), { items: [], total: 0 });
});

test('a token of somebody else is refused by name', () => {
  for (const pageToken of ['x', '%%', Buffer.from('q:a').toString('base64url'), 'azph=']) {
    assert.throws(
      () => pageByKey(['a'], self, { pageSize: 1, pageToken }),
      (error) =>
        error instanceof GatewayError &&
        error.code === Code.InvalidArgument &&
        error.fields[0]?.field === 'page_token',
    );
  }
});

test('no page size is the default one, and too large a one is cut', () => {
  assert.deepEqual(toPageRequest({ pageSize: 0, pageToken: '' }), { pageSize: 100 });
  assert.deepEqual(toPageRequest({ pageSize: 5000, pageToken: 't' }), { pageSize: 1000, pageToken: 't' });
  assert.deepEqual(toPageRequest({ pageSize: 7, pageToken: '' }), { pageSize: 7 });
});
