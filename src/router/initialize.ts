import type { Snapshot, Source } from '../catalog/snapshot.ts';
import { isObject, own } from '../protocol/envelope.ts';

/** Instructions of many servers add up; a model reads all of them at the start of every conversation. */
const MAX_INSTRUCTIONS = 16_384;

/**
 * The result of `initialize`. Tools, prompts and resources are always offered, with news of changes, since a server that
 * has them may be added at any time; the rest is what the servers add up to, where one that has not answered yet counts
 * as having it: a client can't be told later.
 */
export function offer(snapshot: Snapshot, protocolVersion: string, identity: Identity): string {
  const made = OFFERS.get(snapshot) ?? new Map<string, string>();
  if (made.size === 0) OFFERS.set(snapshot, made);
  const known = made.get(protocolVersion);
  if (known !== undefined) return known;
  const text = makeOffer(snapshot, protocolVersion, identity);
  made.set(protocolVersion, text);
  return text;
}

interface Identity {
  readonly name: string;
  readonly title: string;
  readonly version: string;
}

/** By version: there are few, and the gateway is the same to all. */
const OFFERS = new WeakMap<Snapshot, Map<string, string>>();

function makeOffer(snapshot: Snapshot, protocolVersion: string, identity: Identity): string {
  const { sources } = snapshot;
  const instructions = joinInstructions(sources);
  return JSON.stringify({
    protocolVersion,
    capabilities: { ...commonOffer(sources), ...tasksOf(sources) },
    serverInfo: identity,
    ...(instructions === '' ? {} : { instructions }),
  });
}

/** Capabilities that are the same in both eras. */
export function commonOffer(sources: readonly Source[]): Readonly<Record<string, unknown>> {
  const has = (capability: string) =>
    sources.some(({ catalog }) => catalog === undefined || Object.hasOwn(catalog.capabilities, capability));
  return {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true, ...(sources.some(canSubscribe) ? { subscribe: true } : {}) },
    ...(has('logging') ? { logging: {} } : {}),
    ...(has('completions') ? { completions: {} } : {}),
  };
}

/** What servers can do with tasks, added up; a server that has not answered yet is not counted on. */
function tasksOf(sources: readonly Source[]): { tasks?: Readonly<Record<string, unknown>> } {
  const offers = sources.map(({ catalog }) => catalog && own(catalog.capabilities, 'tasks')).filter(isObject);
  if (offers.length === 0) return {};
  const some = (key: string) => (offers.some((tasks) => Object.hasOwn(tasks, key)) ? { [key]: {} } : {});
  const requests = offers.map((tasks) => own(tasks, 'requests')).filter(isObject);
  return {
    tasks: {
      ...some('list'),
      ...some('cancel'),
      ...(requests.length > 0 ? { requests: Object.assign({}, ...requests) } : {}),
    },
  };
}

/** Whether the server says when a resource changes; one that has not answered yet may. */
function canSubscribe({ catalog }: Source): boolean {
  if (catalog === undefined) return true;
  const resources = own(catalog.capabilities, 'resources');
  return isObject(resources) && own(resources, 'subscribe') === true;
}

export function joinInstructions(sources: readonly Source[]): string {
  const parts = sources.flatMap(({ server, catalog }) => {
    const text = catalog?.instructions?.trim() ?? '';
    return text === '' ? [] : [`# ${server.name}\n${text}`];
  });
  // Half of a surrogate pair is not Unicode, and strict clients refuse the whole answer over it.
  return parts
    .join('\n\n')
    .slice(0, MAX_INSTRUCTIONS)
    .replace(/[\ud800-\udbff]$/, '');
}
