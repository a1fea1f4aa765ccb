/** Whose things these are. Every query and every cache is keyed by both parts, whole. */
export interface Owner {
  readonly tenantId: string;
  readonly userId: string;
}

/** `admin` and `user`, and what else the configuration calls people by. */
export type Role = string;

/** Who makes a request, as established by authentication. */
export interface Principal extends Owner {
  /** Each once, in order of the alphabet. */
  readonly roles: readonly Role[];
  /** The API key that has shown it: what was opened with a key ends with it. No part of who it is. */
  readonly keyId?: string;
}

/** A key for maps: JSON, so that no choice of characters in either part can make two owners equal. */
export function ownerKey(owner: Owner): string {
  return JSON.stringify([owner.tenantId, owner.userId]);
}

/** What a principal's roles are that has these: everybody who is let in is a user. */
export function rolesOf(given: readonly Role[]): readonly Role[] {
  return Object.freeze([...new Set([...given, 'user'])].sort());
}

/** Whether two principals are the same, with the same rights. */
export function isSamePrincipal(a: Principal, b: Principal): boolean {
  return (
    a === b ||
    (a.tenantId === b.tenantId &&
      a.userId === b.userId &&
      a.roles.length === b.roles.length &&
      a.roles.every((role, at) => role === b.roles[at]))
  );
}

/** The one user of a gateway without authentication. */
export const LOCAL_PRINCIPAL: Principal = Object.freeze({
  tenantId: 'default',
  userId: 'local',
  roles: Object.freeze(['admin', 'user'] as const),
});
