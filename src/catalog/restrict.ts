import type { DownstreamServer } from '../downstream/port.ts';
import type { Access, RuledServer } from '../policy/access.ts';
import { own } from '../protocol/envelope.ts';
import { Pace } from './pace.ts';
import { pagesOf, type Route, type Snapshot, type Source } from './snapshot.ts';
import type { ListedEntry } from './types.ts';

/**
 * What is left of a snapshot for somebody who may not use all of it: what is denied is not there, and what is there has the
 * name that it has for everybody. The snapshot itself where everything is left.
 */
export async function restrict(full: Snapshot, access: Access, pageSize: number): Promise<Snapshot> {
  const pace = new Pace();
  const shown = new Map(full.sources.map(({ server }) => [server.id, access.server(ruled(server))]));
  const left = async (routes: ReadonlyMap<string, Route>, may: (route: Route) => Route | undefined) => {
    const kept = new Map<string, Route>();
    for (const [name, route] of routes) {
      const allowed = shown.get(route.server.id) === true ? may(route) : undefined;
      if (allowed !== undefined) kept.set(name, allowed);
      if (pace.isDue) await pace.rest();
    }
    return kept;
  };
  const resources = (route: Route) =>
    access.resource(ruled(route.server), route.key).effect === 'allow' ? route : undefined;
  const routes = {
    tools: await left(full.tools, (route) => allowedTool(access, route)),
    prompts: await left(full.prompts, (route) =>
      access.prompt(ruled(route.server), route.key).effect === 'allow' ? route : undefined,
    ),
    resources: await left(full.resources, resources),
    templates: await left(full.templates, resources),
  };
  const kept = new Set<ListedEntry>();
  for (const list of Object.values(routes)) for (const { listed } of list.values()) kept.add(listed);
  return {
    sources: full.sources.filter(({ server }) => shown.get(server.id)).map((source) => lessOf(source, kept)),
    ...routes,
    restriction: {
      mayRead: (server, uri) => access.resource(ruled(server), uri).effect === 'allow',
      hides: (list, name) => full[list].has(name) && !routes[list].has(name),
    },
    pages: await pagesOf(routes, pageSize, pace),
  };
}

function allowedTool(access: Access, route: Route): Route | undefined {
  const server = ruled(route.server);
  const verdict = access.tool(server, route.key, own(route.listed.entry, 'annotations'));
  if (verdict.effect === 'deny') return undefined;
  if (verdict.effect === 'allow') return route;
  return {
    ...route,
    condition: (args) => {
      const { effect, rule } = access.settle(verdict, server, route.key, args);
      if (effect === 'allow') return undefined;
      const why = rule?.name === undefined ? '' : `: ${rule.name}`;
      return `The policy of this gateway does not allow this call with these arguments${why}`;
    },
  };
}

function ruled({ name, target }: DownstreamServer): RuledServer {
  return { name, isBuiltin: target.kind === 'builtin' };
}

/** What is counted and looked through of a server is what may be used. */
function lessOf(source: Source, kept: ReadonlySet<ListedEntry>): Source {
  const { catalog } = source;
  if (catalog === undefined) return source;
  const of = (entries: readonly ListedEntry[]) => entries.filter((entry) => kept.has(entry));
  const { tools, prompts, resources, resourceTemplates } = catalog;
  return {
    ...source,
    catalog: {
      ...catalog,
      tools: of(tools),
      prompts: of(prompts),
      resources: of(resources),
      resourceTemplates: of(resourceTemplates),
    },
  };
}
