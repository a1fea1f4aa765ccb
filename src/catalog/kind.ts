import { createHash } from 'node:crypto';
import { type Owner, ownerKey, type Role } from '../auth/principal.ts';
import { isObject } from '../protocol/envelope.ts';

/** What clients of one kind can do, as text: equal for equal capabilities, in whatever order they were said. */
export function kindOf(clientCapabilities: Readonly<Record<string, unknown>>): string {
  return JSON.stringify(clientCapabilities, (_key, value: unknown) =>
    isObject(value) ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1))) : value,
  );
}

/**
 * Names, for all nodes alike, an owner's clients of one kind: 128 bits of a digest, since what clients can do may be long.
 * `roles`: those by which servers are shared with them.
 */
export function scopeOf(
  owner: Owner,
  clientCapabilities: Readonly<Record<string, unknown>>,
  roles: readonly Role[] = [],
): string {
  const hash = createHash('sha256').update(ownerKey(owner)).update(kindOf(clientCapabilities));
  if (roles.length > 0) hash.update(JSON.stringify(roles));
  return hash.digest('base64url').slice(0, 22);
}
