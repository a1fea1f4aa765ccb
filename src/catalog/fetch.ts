import { callForText, DownstreamAnswerError, ownRequest } from '../downstream/call.ts';
import type { DownstreamLink } from '../downstream/port.ts';
import { isObject, own } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { locate, objectMembers } from '../protocol/json-text.ts';
import { type ListAnswer, readListAnswer } from './list-answer.ts';
import { Pace } from './pace.ts';
import { entryProblem } from './readable.ts';
import type { ListedEntry, ServerCatalog } from './types.ts';

/** A server that pages on and on is stopped here: nobody has a use for more. */
const MAX_PAGES = 1000;
const MAX_ENTRIES = 100_000;

type CatalogList = 'tools' | 'resources' | 'resourceTemplates' | 'prompts';

/** How each list is asked for, and by which member its entries are known. */
const LISTS: Readonly<Record<CatalogList, { method: string; key: string; capability: string }>> = {
  tools: { method: 'tools/list', key: 'name', capability: 'tools' },
  resources: { method: 'resources/list', key: 'uri', capability: 'resources' },
  resourceTemplates: { method: 'resources/templates/list', key: 'uriTemplate', capability: 'resources' },
  prompts: { method: 'prompts/list', key: 'name', capability: 'prompts' },
};

export interface FetchOptions {
  /** Milliseconds for each list, all pages together. */
  readonly listTimeoutMs: number;
  readonly signal: AbortSignal;
  /** Told once for each list with entries that are left out because clients could not read them: how many, and what is wrong with one. */
  readonly onLeftOut?: (list: CatalogList, count: number, example: string) => void;
}

/** All that a server lists, by what its handshake says it has. Throws what the downstream port throws. */
export async function fetchCatalog(link: DownstreamLink, options: FetchOptions): Promise<ServerCatalog> {
  const pace = new Pace();
  const fetch = (list: CatalogList) => fetchList(link, list, options, pace);
  const [tools, resources, resourceTemplates, prompts] = await Promise.all([
    fetch('tools'),
    fetch('resources'),
    fetch('resourceTemplates'),
    fetch('prompts'),
  ]);
  const { capabilities, serverInfo, instructions, protocolVersion } = link.handshake;
  return {
    tools,
    resources,
    resourceTemplates,
    prompts,
    capabilities,
    serverInfo,
    protocolVersion,
    ...(instructions === undefined ? {} : { instructions }),
    fetchedAt: new Date(),
  };
}

async function fetchList(
  link: DownstreamLink,
  list: CatalogList,
  options: FetchOptions,
  pace: Pace,
): Promise<readonly ListedEntry[]> {
  const { method, capability } = LISTS[list];
  if (!Object.hasOwn(link.handshake.capabilities, capability)) return [];
  const until = Date.now() + options.listTimeoutMs;
  const found: Found = { entries: new Map(), leftOut: 0, example: '' };
  const { entries } = found;
  let cursor: string | undefined;
  for (let page = 0; page < MAX_PAGES; page++) {
    const left = Math.max(1, until - Date.now());
    const request = ownRequest(method, cursor === undefined ? undefined : { cursor });
    let answer: ListAnswer;
    try {
      const text = await callForText(link, request, { idleMs: left, totalMs: left }, options.signal);
      answer = await readListAnswer(text, list, link.server.name, pace);
    } catch (error) {
      if (isUnsupported(error)) return [];
      throw explain(link, method, error);
    }
    await readPage(link, list, answer, found, pace);
    const { result } = answer.frame;
    const next = isObject(result) ? own(result, 'nextCursor') : undefined;
    // The same cursor again would be the same page again.
    if (typeof next !== 'string' || next === cursor) {
      if (found.leftOut > 0) options.onLeftOut?.(list, found.leftOut, found.example);
      return [...entries.values()];
    }
    if (entries.size > MAX_ENTRIES || Date.now() > until) break;
    cursor = next;
  }
  throw new GatewayError(Code.DownstreamProtocol, `Server "${link.server.name}": ${method} has no end`);
}

/** What has been read of a list so far. */
interface Found {
  readonly entries: Map<string, ListedEntry>;
  leftOut: number;
  example: string;
}

/** Entries without a usable key can't be addressed and are left out; of two with the same key the first counts. */
async function readPage(
  link: DownstreamLink,
  list: CatalogList,
  { frame, elements }: ListAnswer,
  found: Found,
  pace: Pace,
): Promise<void> {
  const { entries } = found;
  const { method, key } = LISTS[list];
  // Where the list stands twice, it is in no one place.
  if (elements === undefined || locate(frame.text, ['result', list]) === undefined) {
    throw new GatewayError(
      Code.DownstreamProtocol,
      `Server "${link.server.name}": ${method} answered without "${list}"`,
    );
  }
  for (const { value: entry, text } of elements) {
    if (pace.isDue) await pace.rest();
    if (!isObject(entry)) continue;
    const name = own(entry, key);
    const keySpan = objectMembers(text)?.get(key);
    if (typeof name !== 'string' || name === '' || keySpan === undefined || entries.has(name)) continue;
    const problem = entryProblem(list, entry);
    if (problem !== undefined) {
      found.leftOut++;
      found.example = `${name.slice(0, 100)}: ${problem}`;
      continue;
    }
    entries.set(name, { key: name, entry, text, keySpan });
  }
}

/** Some servers declare a capability and know only half of its methods (templates, mostly). */
function isUnsupported(error: unknown): boolean {
  return error instanceof DownstreamAnswerError && error.code === -32601;
}

function explain(link: DownstreamLink, method: string, error: unknown): Error {
  if (!(error instanceof DownstreamAnswerError)) return GatewayError.from(error);
  return new GatewayError(
    Code.DownstreamProtocol,
    `Server "${link.server.name}": ${method} failed: ${error.message}`,
  );
}
