import type { DownstreamServer } from '../downstream/port.ts';
import type { ListKind } from '../protocol/cursor.ts';
import { splice } from '../protocol/json-text.ts';
import { toolForLegacy } from '../protocol/modern/legacy-view.ts';
import { collisionName, publicName } from '../protocol/names.ts';
import { templateMatches } from '../protocol/uri-template.ts';
import { Pace } from './pace.ts';
import { ListPages } from './pages.ts';
import type { ListedEntry, ServerCatalog } from './types.ts';

/** Where a public name leads. */
export interface Route {
  readonly server: DownstreamServer;
  /** The name or URI that the server knows. */
  readonly key: string;
  readonly listed: ListedEntry;
  /** Absent: it may be called with any arguments. */
  readonly condition?: ArgumentCondition;
}

/** Why a tool may not be called with these arguments, for people; undefined where it may. */
type ArgumentCondition = (args: unknown) => string | undefined;

/** What of a snapshot is left out of the one of somebody who may not use all of it. */
interface Restriction {
  /** Whether a resource may be read that no list has. */
  mayRead(server: DownstreamServer, uri: string): boolean;
  /** Whether there is such a thing, and it was left out. For the log, and never for the caller. */
  hides(list: RoutedList, name: string): boolean;
}

/** A server and what it lists; absent where that is not known (yet). */
export interface Source {
  readonly server: DownstreamServer;
  readonly catalog: ServerCatalog | undefined;
  /** Why there is no catalog, for people. */
  readonly error?: string;
}

/** Everything that exists for one client, immutable: a change makes a new one. */
export interface Snapshot {
  readonly sources: readonly Source[];
  /** Absent: nothing is left out. */
  readonly restriction?: Restriction;
  readonly tools: ReadonlyMap<string, Route>;
  readonly prompts: ReadonlyMap<string, Route>;
  /** By the URI that clients use. */
  readonly resources: ReadonlyMap<string, Route>;
  readonly templates: ReadonlyMap<string, Route>;
  readonly pages: {
    readonly tools: ListPages;
    readonly prompts: ListPages;
    readonly resources: ListPages;
    readonly resourceTemplates: ListPages;
  };
}

/** The lists of a snapshot, by name or URI. */
export type Routes = Pick<Snapshot, 'tools' | 'prompts' | 'resources' | 'templates'>;
type RoutedList = keyof Routes;

/**
 * Merges what servers list. `sources` in order of registration: of two that claim one name, the earlier keeps it.
 * The order of entries is that of the servers, and within a server its own. Takes as many turns as there is work.
 */
export async function buildSnapshot(sources: readonly Source[], pageSize: number): Promise<Snapshot> {
  const pace = new Pace();
  const tools = await routesOf(sources, 'tools', named, pace);
  const prompts = await routesOf(sources, 'prompts', named, pace);
  const resources = await routesOf(sources, 'resources', addressed, pace);
  const templates = await routesOf(sources, 'resourceTemplates', addressed, pace);
  const routes = { tools, prompts, resources, templates };
  return { sources, ...routes, pages: await pagesOf(routes, pageSize, pace) };
}

/** All lists of a snapshot as clients get them. */
export async function pagesOf(routes: Routes, pageSize: number, pace: Pace): Promise<Snapshot['pages']> {
  const { tools, prompts, resources, templates } = routes;
  const pages = async (kind: ListKind, listed: ReadonlyMap<string, Route>) =>
    ListPages.of(kind, await texts(listed, pace), pageSize, pace);
  return {
    tools: await toolPages(tools, pageSize, pace),
    prompts: await pages('prompts', prompts),
    resources: await pages('resources', resources),
    resourceTemplates: await pages('resourceTemplates', templates),
  };
}

/** Under which name an entry is to be had that `routes` does not hold yet. */
type Naming = (routes: ReadonlyMap<string, Route>, server: DownstreamServer, key: string) => string;

async function routesOf(
  sources: readonly Source[],
  list: 'tools' | 'prompts' | 'resources' | 'resourceTemplates',
  nameIn: Naming,
  pace: Pace,
): Promise<Map<string, Route>> {
  const routes = new Map<string, Route>();
  for (const { server, catalog } of sources) {
    for (const listed of catalog?.[list] ?? []) {
      routes.set(nameIn(routes, server, listed.key), { server, key: listed.key, listed });
      if (pace.isDue) await pace.rest();
    }
  }
  return routes;
}

const named: Naming = (routes, server, key) => {
  const plain = publicName(server.prefix, key);
  let name = plain;
  // Once, in practice: unless an earlier server has a tool of the very name that a collision gives.
  while (routes.has(name)) name = collisionName(plain, server.id, name === plain ? key : `${key}\0${name}`);
  return name;
};

const addressed: Naming = (routes, server, key) => {
  let uri = key;
  while (routes.has(uri)) uri = aliasUri(server.id, uri);
  return uri;
};

/** What servers of the modern era may say of tools, and clients of the other one refuse, these do not get. */
async function toolPages(
  routes: ReadonlyMap<string, Route>,
  pageSize: number,
  pace: Pace,
): Promise<ListPages> {
  const own = await texts(routes, pace);
  const legacy: string[] = [];
  let differs = false;
  for (const { listed } of routes.values()) {
    const text = own[legacy.length] ?? '';
    const forLegacy = toolForLegacy(text, listed.entry);
    differs ||= forLegacy !== text;
    legacy.push(forLegacy);
    if (pace.isDue) await pace.rest();
  }
  return ListPages.of('tools', own, pageSize, pace, differs ? legacy : own);
}

/** What clients are told of each entry: its own text under the name that it has here. */
async function texts(routes: ReadonlyMap<string, Route>, pace: Pace): Promise<string[]> {
  const all: string[] = [];
  for (const [name, { key, listed }] of routes) {
    all.push(name === key ? listed.text : splice(listed.text, listed.keySpan, JSON.stringify(name)));
    if (pace.isDue) await pace.rest();
  }
  return all;
}

const ALIAS = 'dragon://';

/** Under which a resource is reachable whose own URI belongs to an earlier server. */
export function aliasUri(serverId: string, uri: string): string {
  return `${ALIAS}${serverId}/${uri}`;
}

/** The servers that may know a URI, the likeliest first, each with the URI as it knows it. */
export function resourceCandidates(snapshot: Snapshot, uri: string): Candidate[] {
  const candidates = candidatesOf(snapshot, uri);
  const { restriction } = snapshot;
  if (restriction === undefined) return candidates;
  return candidates.filter((candidate) => restriction.mayRead(candidate.server, candidate.uri));
}

interface Candidate {
  readonly server: DownstreamServer;
  readonly uri: string;
}

function candidatesOf(snapshot: Snapshot, uri: string): Candidate[] {
  const exact = snapshot.resources.get(uri);
  if (exact !== undefined) return [{ server: exact.server, uri: exact.key }];
  const aliased = snapshot.sources.find(({ server }) => uri.startsWith(aliasUri(server.id, '')));
  if (aliased !== undefined) {
    return [{ server: aliased.server, uri: uri.slice(aliasUri(aliased.server.id, '').length) }];
  }
  for (const route of snapshot.templates.values()) {
    if (templateMatches(route.key, uri)) return [{ server: route.server, uri }];
  }
  return unlisted(snapshot, uri).map((server) => ({ server, uri }));
}

/** A tool may hand out a link to a resource that no list has. Servers that list others of its scheme are asked, else all that have resources. */
function unlisted(snapshot: Snapshot, uri: string): DownstreamServer[] {
  const scheme = /^[A-Za-z][A-Za-z0-9+.-]*:/.exec(uri)?.[0];
  const having = snapshot.sources.filter(
    ({ catalog }) => catalog !== undefined && Object.hasOwn(catalog.capabilities, 'resources'),
  );
  const akin = having.filter(({ catalog }) =>
    [...(catalog?.resources ?? []), ...(catalog?.resourceTemplates ?? [])].some(
      (listed) => scheme !== undefined && listed.key.startsWith(scheme),
    ),
  );
  return (akin.length > 0 ? akin : having).map(({ server }) => server);
}

/** Whether two sources give the same entries, and say the same of how their servers are. */
export function isSameSource(a: Source, b: Source | undefined): boolean {
  return a.server === b?.server && a.error === b.error && a.catalog === b.catalog;
}
