import { z } from 'zod';
import type { LoadedSession, StoredLink, StoredSession } from '../session-store.ts';

/** Rises when older nodes could not make sense of a record; they then take the session for unknown. */
const RECORD_VERSION = 1;

/** What a record begins with that can be read here, for the script that looks at it. */
export const READABLE = `{"v":${RECORD_VERSION},`;

const Json = z.record(z.string(), z.unknown());

const SessionRecord = z.object({
  v: z.literal(RECORD_VERSION),
  id: z.string(),
  tenantId: z.string(),
  userId: z.string(),
  roles: z.array(z.string()),
  keyId: z.string().exactOptional(),
  protocolVersion: z.string(),
  clientInfo: Json,
  capabilities: Json,
  createdAt: z.number(),
  streamKey: z.string().exactOptional(),
});

const LinkRecord = z.object({
  serverId: z.string(),
  revision: z.number(),
  sessionId: z.string().exactOptional(),
  transport: z.enum(['streamable', 'sse', 'process']),
  handshake: Json,
});

/** Names of a session's fields; the fixed ones are in the scripts. */
export const FIELD = {
  logLevel: 'level',
  /** What fields of nodes begin with, those of origins, and those of producers' last counts. */
  node: 'node:',
  origin: 'origin:',
  count: 'count:',
  link: 'link:',
  subscription: 'subscription:',
} as const;

export function nodeField(nodeId: string): string {
  return FIELD.node + nodeId;
}

export function linkField(serverId: string): string {
  return FIELD.link + serverId;
}

export function originField(serverId: string): string {
  return FIELD.origin + serverId;
}

export function countField(producer: string): string {
  return FIELD.count + producer;
}

export function subscriptionField(serverId: string, uri: string): string {
  return FIELD.subscription + JSON.stringify([serverId, uri]);
}

/** The version comes first: it is part of {@link READABLE}. */
export function writeSession(session: StoredSession): string {
  return JSON.stringify({ v: RECORD_VERSION, ...session });
}

/** The first line is what the script compares. */
export function writeLink(link: StoredLink): string {
  return `${linkLine(link)}\n${JSON.stringify(link)}`;
}

export function linkLine(link: StoredLink): string {
  return JSON.stringify(link.sessionId ?? null);
}

/** Undefined for what a later version has written. */
export function readLink(text: string): StoredLink | undefined {
  return LinkRecord.safeParse(JSON.parse(text.slice(text.indexOf('\n') + 1))).data;
}

type Fields = readonly (readonly [field: string, value: string])[];

/** Undefined for what a later version has written. */
export function readSession(fields: Fields): LoadedSession | undefined {
  let session: StoredSession | undefined;
  let logLevel: string | undefined;
  const links: StoredLink[] = [];
  const subscriptions = new Map<string, string[]>();
  for (const [field, value] of fields) {
    if (field === 'session') session = parseSession(value);
    else if (field === FIELD.logLevel) logLevel = value;
    else if (field.startsWith(FIELD.link)) {
      const link = readLink(value);
      if (link !== undefined) links.push(link);
    } else if (field.startsWith(FIELD.subscription)) {
      const [serverId, uri] = z
        .tuple([z.string(), z.string()])
        .parse(JSON.parse(field.slice(FIELD.subscription.length)));
      subscriptions.set(serverId, [...(subscriptions.get(serverId) ?? []), uri]);
    }
  }
  return session && { session, logLevel, links, subscriptions: Object.fromEntries(subscriptions) };
}

export function readNodes(fields: Iterable<string>): string[] {
  return [...fields]
    .filter((field) => field.startsWith(FIELD.node))
    .map((field) => field.slice(FIELD.node.length));
}

/** Undefined for what a later version has written. */
export function parseSession(text: string): StoredSession | undefined {
  const record = SessionRecord.safeParse(JSON.parse(text)).data;
  if (record === undefined) return undefined;
  const { v: _, ...session } = record;
  return session;
}
