import { createHash } from 'node:crypto';
import { type Owner, ownerKey } from '../auth/principal.ts';

/** Before what tells one user of a shared server from another. Stands in no id of a stored server. */
const LENT = '~';

/** Before what tells a server that is only tried out from the one in use. */
const TRIAL = '#';

/**
 * The id under which a user has a server that is somebody else's. To whatever goes by ids (sessions, processes, catalogs,
 * log-ins, breakers) it is a server of the user's own, so that nothing of one user's reaches another.
 */
export function lentId(serverId: string, user: Owner): string {
  return `${serverId}${LENT}${createHash('sha256').update(ownerKey(user)).digest('base64url').slice(0, 22)}`;
}

/** Whether an id is that of a stored server, as its owner or as anybody else has it. */
export function isUseOf(id: string, serverId: string): boolean {
  return id === serverId || (id.startsWith(serverId + LENT) && !id.includes(TRIAL));
}

/** Those of a map's ids. */
export function* usesIn(
  known: { has(id: string): boolean; keys(): Iterable<string> },
  serverId: string,
): Generator<string, void> {
  if (known.has(serverId)) yield serverId;
  // What is tried out is so by one user alone, and often.
  if (serverId.includes(TRIAL)) return;
  for (const id of known.keys()) if (id !== serverId && isUseOf(id, serverId)) yield id;
}

/** The id of the stored server. */
export function storedId(id: string): string {
  return cut(cut(id, TRIAL), LENT);
}

/** The id of the server in use, of one that is tried out. */
export function usedId(id: string): string {
  return cut(id, TRIAL);
}

function cut(id: string, mark: string): string {
  const end = id.indexOf(mark);
  return end === -1 ? id : id.slice(0, end);
}
