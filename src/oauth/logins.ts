import type { Owner } from '../auth/principal.ts';
import type { LoginRepository } from '../db/oauth-record.ts';
import type { ServerRecord } from '../db/server-record.ts';
import { type DownstreamServer, idInUse } from '../downstream/port.ts';
import type { EventLog } from '../events/event.ts';
import type { Logger } from '../telemetry/types.ts';
import type { Changes } from './changes.ts';
import { configuredClient, type GatewayClient, type OwnClient } from './client-identity.ts';
import { digestOf, grantOf, holderOf, lenderOf } from './grant-digest.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import { Invitations } from './invitations.ts';
import { noteLogin } from './login-events.ts';
import { challengeOf, discoverLogin, hasOwnAuthorization, loginTarget } from './login-target.ts';
import { revoke, revokeAll } from './revocation.ts';

export interface LoginsOptions {
  readonly logins: LoginRepository;
  readonly changes: Changes;
  readonly fetch: GuardedFetch;
  /** The gateway as it is reached from outside. */
  readonly gateway: () => GatewayClient;
  readonly servers: {
    /** A server that the owner has or uses. Rejects with NotFound. */
    used(owner: Owner, id: string): Promise<ServerRecord>;
    /** What is open to a server, and what is known of it, is of before: opened and read anew, on all nodes. */
    touch(record: ServerRecord): Promise<void>;
  };
  readonly events: EventLog;
  readonly logger: Logger;
}

/** Whether somebody is logged in to a server. */
export interface LoginStatus {
  readonly state: 'not-required' | 'logged-out' | 'pending' | 'logged-in' | 'expired';
  readonly scopes: readonly string[];
  /** Of the token in use; one that can be renewed will be. */
  readonly expiresAt?: Date;
}

/** Log-ins of owners to their servers: how they are begun, how they are, and how they end. */
export class Logins {
  readonly #options: LoginsOptions;
  readonly #invitations: Invitations;

  constructor(options: LoginsOptions) {
    this.#options = options;
    this.#invitations = new Invitations(options);
  }

  /** The address where who uses a server can log in to it; the same for a while to all who ask for the same. */
  invite(server: DownstreamServer, scopes: readonly string[]): Promise<string> {
    return this.#invitations.shared(server, scopes);
  }

  /**
   * An address of the gateway's own at which the owner can log in. Throws FailedPrecondition where the server has no log-in, or
   * none that may be used. `ownClient`: kept, and used from now on.
   */
  async login(record: ServerRecord, ownClient?: OwnClient): Promise<string> {
    const { owner, id } = record;
    const { logins, changes, gateway, fetch } = this.#options;
    const target = loginTarget(record);
    const challenge = await challengeOf(record, target, logins, fetch);
    const { server } = await discoverLogin(target.url, challenge, fetch);
    if (ownClient !== undefined)
      await logins.saveClient(lenderOf(record), id, configuredClient(server, gateway(), ownClient));
    await logins.noteChallenge(owner, id, target.url, challenge ?? {});
    changes.tell(idInUse(record));
    const known = await logins.read(owner, id);
    return this.#invitations.make({ owner, serverId: id, scopes: known?.tokens?.scopes ?? [] });
  }

  async status(record: ServerRecord): Promise<LoginStatus> {
    const { owner, id, target } = record;
    const none = { state: 'not-required', scopes: [] } as const;
    if (target.kind !== 'http' || hasOwnAuthorization(target)) return none;
    const grant = grantOf(record);
    // Nobody's is kept.
    if (grant?.grant === 'token_exchange') return none;
    const stored = await this.#options.logins.read(holderOf(record), id);
    const isIts = stored?.tokens === undefined || stored.tokens.grant === digestOf(grant);
    const known = stored?.url === target.url && isIts ? stored : undefined;
    const tokens = known?.tokens;
    const isOver =
      tokens?.refreshToken === undefined && tokens?.expiresAt !== undefined && tokens.expiresAt <= Date.now();
    if (tokens !== undefined && !isOver) {
      const until = tokens.expiresAt === undefined ? {} : { expiresAt: new Date(tokens.expiresAt) };
      return { state: 'logged-in', scopes: tokens.scopes, ...until };
    }
    // It gets another with the next call.
    if (grant !== undefined) return none;
    if (await this.#options.logins.isPending(owner, id)) return { state: 'pending', scopes: [] };
    if (isOver || known?.state === 'expired') return { state: 'expired', scopes: [] };
    return known === undefined ? none : { state: 'logged-out', scopes: [] };
  }

  /** Forgets a log-in on all nodes, and has the authorization server forget it. `isRevoked`: it says that it has. */
  async logout(record: ServerRecord): Promise<{ readonly isRevoked: boolean }> {
    const { id, name } = record;
    const { logins, changes, servers, events } = this.#options;
    const grant = grantOf(record);
    const isOwn = grant !== undefined;
    if (grant?.grant === 'token_exchange') {
      // In memory alone, on each node for itself.
      changes.tell(idInUse(record));
      return { isRevoked: false };
    }
    const tokens = await logins.forget(holderOf(record), id);
    changes.tell(isOwn ? id : idInUse(record));
    if (tokens === undefined) return { isRevoked: false };
    noteLogin(events, record, 'logged_out', 'ok');
    if (!isOwn) await servers.touch(record);
    return { isRevoked: await revoke(name, tokens, this.#options) };
  }

  /**
   * Tokens of a server may be got another way from now on: what was got otherwise, by whomever, is forgotten, and revoked as by
   * {@link ending}.
   */
  async regranted(record: ServerRecord): Promise<void> {
    const { id, name } = record;
    const lender = lenderOf(record);
    const { logins, changes } = this.#options;
    const digest = digestOf(grantOf(record));
    const others = digest === undefined ? [] : await logins.forgetOthers(lender, id);
    const known = (await logins.read(lender, id))?.tokens;
    const isOver = known !== undefined && known.grant !== digest;
    const own = isOver ? await logins.forget(lender, id) : undefined;
    changes.tell(id);
    void revokeAll(name, own === undefined ? others : [...others, own], this.#options);
  }

  /**
   * Takes note of all log-ins to a server that is about to be removed. The function that is returned has the authorization
   * servers forget them, in the background, as far as they can be reached.
   */
  async ending(record: ServerRecord): Promise<() => void> {
    const { id, name } = record;
    const all = await this.#options.logins.ofServer(lenderOf(record), id);
    return () => void revokeAll(name, all, this.#options);
  }

  /** Others than the owner do not have a server any more: their log-ins are forgotten, and revoked as by {@link ending}. */
  async unshared(record: ServerRecord): Promise<void> {
    const { id, name } = record;
    void revokeAll(name, await this.#options.logins.forgetOthers(lenderOf(record), id), this.#options);
  }
}
