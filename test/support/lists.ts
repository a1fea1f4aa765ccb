import assert from 'node:assert/strict';
import type { RawClient } from './raw-client.ts';

const MEMBERS = {
  'tools/list': ['tools', 'name'],
  'prompts/list': ['prompts', 'name'],
  'resources/list': ['resources', 'uri'],
  'resources/templates/list': ['resourceTemplates', 'uriTemplate'],
} as const;

export type ListMethod = keyof typeof MEMBERS;

/** Every list there is, for tests that go through all of them. */
export const LIST_METHODS = Object.keys(MEMBERS) as readonly ListMethod[];

/** The entries of a list, page for page. Fails on an error, and on a list that does not end. */
export async function listPages(client: RawClient, method: ListMethod) {
  const pages: { readonly entries: readonly Record<string, unknown>[]; readonly nextCursor?: string }[] = [];
  let cursor: string | undefined;
  do {
    const { message } = await client.request(method, cursor === undefined ? {} : { cursor });
    const result = message?.result;
    assert.ok(result, `${method} answered ${JSON.stringify(message)}`);
    cursor = result.nextCursor;
    pages.push({ entries: result[MEMBERS[method][0]], ...(cursor !== undefined && { nextCursor: cursor }) });
    assert.ok(pages.length < 1000, `${method} has no end`);
  } while (cursor !== undefined);
  return pages;
}

/** Names of tools or prompts, URIs of resources, templates: all of a list, in its order. */
export async function listNames(client: RawClient, method: ListMethod = 'tools/list'): Promise<string[]> {
  const pages = await listPages(client, method);
  return pages.flatMap(({ entries }) => entries.map((entry) => String(entry[MEMBERS[method][1]])));
}
