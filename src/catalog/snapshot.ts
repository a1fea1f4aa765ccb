import type { DownstreamServer } from '../downstream/port.ts';
import { splice } from '../protocol/json-text.ts';
import { toolForLegacy } from '../protocol/modern/legacy-view.ts';
import { collisionName, publicName } from '../protocol/names.ts';
import { templateMatches } from '../protocol/uri-template.ts';
import { ListPages } from './pages.ts';
import type { ListedEntry, ServerCatalog } from './types.ts';

/** Where a public name leads. */
export interface Route {
  readonly server: DownstreamServer;
  /** The name or URI that the server knows. */
  readonly key: string;
  readonly listed: ListedEntry;
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

/**
 * Merges what servers list. `sources` in order of registration: of two that claim one name, the earlier keeps it.
 * The order of entries is that of the servers, and within a server its own.
 */
export function buildSnapshot(sources: readonly Source[], pageSize: number): Snapshot {
  const tools = named(sources, 'tools');
  const prompts = named(sources, 'prompts');
  const resources = addressed(sources, 'resources');
  const templates = addressed(sources, 'resourceTemplates');
  return {
    sources,
    tools,
    prompts,
    resources,
    templates,
    pages: {
      tools: toolPages(tools, pageSize),
      prompts: new ListPages('prompts', texts(prompts), pageSize),
      resources: new ListPages('resources', texts(resources), pageSize),
      resourceTemplates: new ListPages('resourceTemplates', texts(templates), pageSize),
    },
  };
}

function named(sources: readonly Source[], list: 'tools' | 'prompts'): Map<string, Route> {
  const routes = new Map<string, Route>();
  for (const { server, catalog } of sources) {
    for (const listed of catalog?.[list] ?? []) {
      const plain = publicName(server.prefix, listed.key);
      let name = plain;
      // Once, in practice: unless an earlier server has a tool of the very name that a collision gives.
      while (routes.has(name))
        name = collisionName(plain, server.id, name === plain ? listed.key : `${listed.key}\0${name}`);
      routes.set(name, { server, key: listed.key, listed });
    }
  }
  return routes;
}

function addressed(sources: readonly Source[], list: 'resources' | 'resourceTemplates'): Map<string, Route> {
  const routes = new Map<string, Route>();
  for (const { server, catalog } of sources) {
    for (const listed of catalog?.[list] ?? []) {
      let uri = listed.key;
      while (routes.has(uri)) uri = aliasUri(server.id, uri);
      routes.set(uri, { server, key: listed.key, listed });
    }
  }
  return routes;
}

/** What servers of the modern era may say of tools, and clients of the other one refuse, these do not get. */
function toolPages(routes: ReadonlyMap<string, Route>, pageSize: number): ListPages {
  const own = texts(routes);
  const listed = [...routes.values()];
  const legacy = own.map((text, at) => toolForLegacy(text, listed[at]?.listed.entry ?? {}));
  const differs = legacy.some((text, at) => text !== own[at]);
  return new ListPages('tools', own, pageSize, differs ? legacy : own);
}

function texts(routes: ReadonlyMap<string, Route>): string[] {
  return [...routes].map(([name, { key, listed }]) =>
    name === key ? listed.text : splice(listed.text, listed.keySpan, JSON.stringify(name)),
  );
}

const ALIAS = 'dragon://';

/** Under which a resource is reachable whose own URI belongs to an earlier server. */
export function aliasUri(serverId: string, uri: string): string {
  return `${ALIAS}${serverId}/${uri}`;
}

/** The servers that may know a URI, the likeliest first, each with the URI as it knows it. */
export function resourceCandidates(
  snapshot: Snapshot,
  uri: string,
): { server: DownstreamServer; uri: string }[] {
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
