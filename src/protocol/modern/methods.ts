/** What the modern era's requests are, where their rules differ from one to another. */

/** Where the value of `Mcp-Name` stands in the params (2026-07-28, transports: Standard Request Headers; tasks: Routing Headers). */
const NAME_FIELDS: ReadonlyMap<string, 'name' | 'uri' | 'taskId'> = new Map([
  ['tools/call', 'name'],
  ['prompts/get', 'name'],
  ['resources/read', 'uri'],
  ['tasks/get', 'taskId'],
  ['tasks/update', 'taskId'],
  ['tasks/cancel', 'taskId'],
]);

const CACHEABLE: ReadonlySet<string> = new Set([
  'server/discover',
  'tools/list',
  'prompts/list',
  'resources/list',
  'resources/templates/list',
  'resources/read',
]);

const MULTI_ROUND: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** The member of params that `Mcp-Name` repeats; undefined for methods that have no such header. */
export function nameField(method: string): 'name' | 'uri' | 'taskId' | undefined {
  return NAME_FIELDS.get(method);
}

/** Whether complete results of this method say how long they may be kept (2026-07-28, caching). */
export function isCacheable(method: string): boolean {
  return CACHEABLE.has(method);
}

/** Whether a server may answer this method with `input_required` (2026-07-28, multi round-trip requests). */
export function isMultiRound(method: string): boolean {
  return MULTI_ROUND.has(method);
}
