import type { ApiKeyRecord } from '../db/api-key-record.ts';
import type { EventFields } from '../events/event.ts';

/** A key that was not used for so long, in milliseconds, is worth an event when it is. */
const QUIET_MS = 3_600_000;

/** Something that has happened to a key: its owner's. */
export function keyEvent({ id, name, owner, scopes, roles }: ApiKeyRecord, action: string): EventFields {
  return {
    type: 'key',
    action,
    tenantId: owner.tenantId,
    userId: owner.userId,
    outcome: 'ok',
    detail: {
      id,
      name,
      scopes: scopes.join(' '),
      ...(roles.length === 0 ? {} : { roles: roles.join(', ') }),
    },
  };
}

/** Whether this is the first use after a while. */
export function isUnusual({ lastUsedAt }: ApiKeyRecord): boolean {
  return lastUsedAt === undefined || Date.now() - lastUsedAt.getTime() > QUIET_MS;
}
