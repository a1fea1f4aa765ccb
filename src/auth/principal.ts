/** Whose things these are. Every query and every cache is keyed by both parts, whole. */
export interface Owner {
  readonly tenantId: string;
  readonly userId: string;
}

export type Role = 'admin' | 'user';

/** Who makes a request, as established by authentication. */
export interface Principal extends Owner {
  readonly roles: readonly Role[];
}

/** A key for maps: JSON, so that no choice of characters in either part can make two owners equal. */
export function ownerKey(owner: Owner): string {
  return JSON.stringify([owner.tenantId, owner.userId]);
}

/** The one user of a gateway without authentication. */
export const LOCAL_PRINCIPAL: Principal = Object.freeze({
  tenantId: 'default',
  userId: 'local',
  roles: Object.freeze(['admin', 'user'] as const),
});
