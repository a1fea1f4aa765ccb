import { type Owner, ownerKey, type Role } from '../auth/principal.ts';
import type { ServerRecord, Sharing } from '../db/server-record.ts';

/**
 * The roles by which servers may be shared. Everybody is a `user`, which is to share with the tenant; and `admin` says who
 * manages, not who uses.
 */
export function sharingRoles(roles: readonly Role[]): readonly Role[] {
  return roles.filter((role) => role !== 'user' && role !== 'admin');
}

function isSharedWith(sharing: Sharing | undefined, roles: readonly Role[]): boolean {
  if (sharing === undefined) return false;
  return 'tenant' in sharing || sharing.roles.some((role) => roles.includes(role));
}

/** Somebody else's server as a user has it. */
export function lend(record: ServerRecord, { tenantId, userId }: Owner): ServerRecord {
  return { ...record, owner: { tenantId, userId }, lender: record.owner };
}

/**
 * What a user has of what others share in the tenant, in order of registration. Of one name there is one: the user's own
 * before all, then the one that was registered first.
 */
export function lentTo(
  user: Owner,
  roles: readonly Role[],
  shared: readonly ServerRecord[],
  own: readonly ServerRecord[],
): readonly ServerRecord[] {
  const names = new Set(own.map(({ name }) => name));
  const lent: ServerRecord[] = [];
  for (const record of managedBy(user, shared)) {
    if (names.has(record.name) || !isSharedWith(record.sharedWith, roles)) continue;
    names.add(record.name);
    lent.push(record);
  }
  return lent;
}

/** The same for an admin, who manages all that others share. Of one name there may be several, told apart by their ids. */
export function managedBy(user: Owner, shared: readonly ServerRecord[]): readonly ServerRecord[] {
  const key = ownerKey(user);
  return shared.filter(({ owner }) => ownerKey(owner) !== key).map((record) => lend(record, user));
}

/** Own and lent ones, in order of registration. */
export function inOrder(...lists: readonly (readonly ServerRecord[])[]): readonly ServerRecord[] {
  const [first = [], ...rest] = lists;
  return rest.every((list) => list.length === 0)
    ? first
    : [first, ...rest].flat().sort((a, b) => a.ordinal - b.ordinal);
}
