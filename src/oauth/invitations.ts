import { LRUCache } from 'lru-cache';
import { type Invitation, LOGIN_TTL_MS, type LoginRepository } from '../db/oauth-record.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import { storedId, usedId } from '../downstream/server-id.ts';
import type { Changes } from './changes.ts';
import type { GatewayClient } from './client-identity.ts';
import { hashOf } from './secret-hash.ts';

export interface InvitationsOptions {
  readonly logins: LoginRepository;
  readonly changes: Changes;
  /** The gateway as it is reached from outside. */
  readonly gateway: () => GatewayClient;
}

export const LOGIN_PATH = '/oauth/login';

/** An invitation that still has so much of its time is given out once more, in milliseconds. */
const REUSED_MS = LOGIN_TTL_MS / 2;

const MAX_INVITATIONS = 10_000;

/** Addresses of the gateway's own at which people log in to servers. */
export class Invitations {
  readonly #options: InvitationsOptions;
  /** By server in use, then by scopes. */
  readonly #given = new LRUCache<string, Map<string, Promise<string>>>({
    max: MAX_INVITATIONS,
    ttl: REUSED_MS,
  });

  constructor(options: InvitationsOptions) {
    this.#options = options;
    options.changes.on((serverId) => {
      if (serverId === undefined) this.#given.clear();
      else this.#given.delete(serverId);
    });
  }

  /** For who uses a server; the same for a while to all who ask for the same. */
  shared({ id, owner }: DownstreamServer, scopes: readonly string[]): Promise<string> {
    const key = JSON.stringify([...scopes].sort());
    const inUse = usedId(id);
    const known = this.#given.get(inUse) ?? new Map<string, Promise<string>>();
    const invited = known.get(key);
    if (invited !== undefined) return invited;
    const made = this.make({ owner, serverId: storedId(id), scopes });
    known.set(key, made);
    if (!this.#given.has(inUse)) this.#given.set(inUse, known);
    made.catch(() => known.delete(key));
    return made;
  }

  async make(invitation: Invitation): Promise<string> {
    const { logins, gateway } = this.#options;
    return `${gateway().publicUrl}${LOGIN_PATH}/${await newTicket(logins, invitation)}`;
  }
}

/** What an invitation is opened with. */
export async function newTicket(logins: LoginRepository, invitation: Invitation): Promise<string> {
  const { randomSecret } = await import('./wire.ts');
  const ticket = randomSecret();
  await logins.invite(hashOf(ticket), invitation);
  return ticket;
}
