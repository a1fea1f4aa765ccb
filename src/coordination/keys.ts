import type { CatalogKey } from './catalog-store.ts';

/** What a deployment's keys and channels begin with, unless it says otherwise. */
export const DEFAULT_KEY_PREFIX = 'dragon:';

/** Milliseconds for which a node that is gone stays listed. */
export const MEMBER_GONE_MS = 5 * 60 * 1000;

/**
 * Milliseconds for which the last token of a lease that is over is kept. Tokens are also never below the store's clock,
 * so they rise after that, and after a loss of data, too.
 */
export const FENCE_TTL_MS = 24 * 60 * 60 * 1000;

/** Every key and channel in Redis, by what it is about. */
export interface Keys {
  /** Hash: record, log level, links, subscriptions, nodes, state of the stream. TTL: the session's. */
  session(id: string): string;
  /** Stream: a session's events. TTL: the maximal age of an event, anew with each. */
  events(id: string): string;
  /** Hash: a session's calls that can be run again, and who goes on with streams. TTL: the longest that one of them may take. */
  calls(id: string): string;
  /**
   * Sorted set: ids of sessions by the time at which each is forgotten unless it is used meanwhile. A hint: sessions are on
   * other servers of a Redis Cluster. TTL: that of the session that was added last.
   */
  readonly sessionIndex: string;
  /**
   * Sorted set, all of one score, so in the order of its entries: each session twice, once among its tenant's and once among
   * its user's. For lists. TTL: that of the session that was added or used last.
   */
  readonly sessionList: string;
  /** Hash: owner and token. TTL: the lease's. */
  lease(resource: string): string;
  /** String: the last token. TTL: FENCE_TTL_MS. */
  fence(resource: string): string;
  /** Hash: what a server lists, packed, and how it was got. TTL: CATALOG_KEPT_MS (`catalog/`), anew while it is watched. */
  catalog(key: CatalogKey): string;
  /** Hash: the last check of a server. TTL: as above. */
  check(serverId: string): string;
  /** Hash: a limit's tokens, and when they were counted. TTL: until it is full again, which is as if it had never been. */
  tokens(id: string): string;
  /** Hash: node id → how many of a limit's slots it has, and until when. TTL: that of the slots taken last. */
  slots(id: string): string;
  /** Hash: node id → how it last described itself, as JSON. TTL: a beat's and MEMBER_GONE_MS. */
  readonly members: string;
  /** Sorted set: node id by the time until which it counts as alive. TTL: as above. */
  readonly beats: string;
  /** What the keys of the job queue begin with, which BullMQ names. No TTL; what is kept of jobs is bounded. */
  readonly jobs: string;
  /** Stream: events of all nodes that are not in the database yet. No TTL; entries go when they are stored. */
  readonly eventLog: string;
  /** Hash: id → recording, JSON. TTL: RECORDING_KEPT_MS after the end of the last. */
  readonly recordings: string;
  /** Stream: what was recorded. TTL: RECORDING_KEPT_MS, anew with each entry. */
  recorded(id: string): string;
  /** Channel of one node. */
  node(nodeId: string): string;
  /** Channel of all nodes. */
  readonly everyone: string;
}

/** Keys that one script uses have the same hash tag, and so the same slot of a Redis Cluster. */
export function createKeys(prefix: string): Keys {
  return {
    session: (id) => `${prefix}session:${tag(id)}`,
    events: (id) => `${prefix}events:${tag(id)}`,
    calls: (id) => `${prefix}calls:${tag(id)}`,
    sessionIndex: `${prefix}sessions:{index}`,
    sessionList: `${prefix}session-list:{index}`,
    lease: (resource) => `${prefix}lease:${tag(resource)}`,
    fence: (resource) => `${prefix}fence:${tag(resource)}`,
    catalog: ({ serverId, revision, scope }) => `${prefix}catalog:${tag(serverId)}:${revision}:${scope}`,
    check: (serverId) => `${prefix}check:${tag(serverId)}`,
    tokens: (id) => `${prefix}tokens:${tag(id)}`,
    slots: (id) => `${prefix}slots:${tag(id)}`,
    members: `${prefix}members:{nodes}`,
    beats: `${prefix}beats:{nodes}`,
    jobs: `${prefix}{jobs}`,
    eventLog: `${prefix}log:{events}`,
    recordings: `${prefix}recordings:{all}`,
    recorded: (id) => `${prefix}recorded:${tag(id)}`,
    node: (nodeId) => `${prefix}node:${tag(nodeId)}`,
    everyone: `${prefix}everyone`,
  };
}

/**
 * Ids come from clients too: a brace in one must not end the tag early, and an empty tag is none. Either would part keys
 * that belong together.
 */
function tag(id: string): string {
  return `{${id.replace(/[{}%]/g, encodeURIComponent) || '%'}}`;
}
