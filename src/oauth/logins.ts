import { createHash, timingSafeEqual } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { Owner } from '../auth/principal.ts';
import {
  type Invitation,
  LOGIN_TTL_MS,
  type LoginChallenge,
  type LoginRepository,
  type OAuthClient,
  type OAuthTokens,
  type PendingLogin,
} from '../db/oauth-record.ts';
import type { HttpTarget, ServerRecord } from '../db/server-record.ts';
import { type DownstreamServer, idInUse } from '../downstream/port.ts';
import { storedId, usedId } from '../downstream/server-id.ts';
import type { EventLog, EventOutcome } from '../events/event.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { askChallenge } from './ask-challenge.ts';
import type { Changes } from './changes.ts';
import {
  configuredClient,
  documentedClient,
  type GatewayClient,
  type OwnClient,
  redirectUriOf,
  registerClient,
} from './client-identity.ts';
import { type Discovered, discover, withoutMetadata } from './discovery.ts';
import { digestOf, grantOf } from './grant-digest.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import { scopesFor } from './scopes.ts';

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

/** Who is invited to log in where. */
export interface OpenedInvitation extends Invitation {
  readonly serverName: string;
  readonly serverHost: string;
}

/** A browser's way to the authorization server, and what it has to bring back. */
export interface Departure {
  readonly url: string;
  readonly cookie: { readonly name: string; readonly value: string };
}

/** What has come of a log-in: done, or to be begun anew at this address. */
export type Completion = { readonly serverName: string } | { readonly again: Departure };

/** An invitation that still has so much of its time is given out once more, in milliseconds. */
const REUSED_MS = LOGIN_TTL_MS / 2;

const MAX_INVITATIONS = 10_000;

const REVOKED_AT_A_TIME = 4;

/** Log-ins of owners to their servers, through a browser. */
export class Logins {
  readonly #options: LoginsOptions;
  readonly #invitations = new LRUCache<string, Map<string, Promise<string>>>({
    max: MAX_INVITATIONS,
    ttl: REUSED_MS,
  });

  constructor(options: LoginsOptions) {
    this.#options = options;
    options.changes.on((serverId) => {
      if (serverId === undefined) this.#invitations.clear();
      else this.#invitations.delete(serverId);
    });
  }

  /** The address where who uses a server can log in to it; the same for a while to all who ask for the same. */
  invite({ id, owner }: DownstreamServer, scopes: readonly string[]): Promise<string> {
    const key = JSON.stringify([...scopes].sort());
    const inUse = usedId(id);
    const serverId = storedId(id);
    const known = this.#invitations.get(inUse) ?? new Map<string, Promise<string>>();
    const invited = known.get(key);
    if (invited !== undefined) return invited;
    const made = this.#invite({ owner, serverId, scopes });
    known.set(key, made);
    if (!this.#invitations.has(inUse)) this.#invitations.set(inUse, known);
    made.catch(() => known.delete(key));
    return made;
  }

  /**
   * An address of the gateway's own at which the owner can log in. Throws FailedPrecondition where the server has no log-in, or
   * none that may be used. `ownClient`: kept, and used from now on.
   */
  async login(record: ServerRecord, ownClient?: OwnClient): Promise<string> {
    const { owner, id } = record;
    const target = loginTarget(record);
    const challenge = await this.#challengeOf(record, target);
    const { server } = await this.#discover(target.url, challenge);
    if (ownClient !== undefined) {
      const client = configuredClient(server, this.#options.gateway(), ownClient);
      await this.#options.logins.saveClient(clientOwner(record), id, client);
    }
    await this.#options.logins.noteChallenge(owner, id, target.url, challenge ?? {});
    this.#options.changes.tell(idInUse(record));
    const known = await this.#options.logins.read(owner, id);
    return this.#invite({ owner, serverId: id, scopes: known?.tokens?.scopes ?? [] });
  }

  async status(record: ServerRecord): Promise<LoginStatus> {
    const { owner, id, target } = record;
    const none = { state: 'not-required', scopes: [] } as const;
    if (target.kind !== 'http' || hasOwnAuthorization(target)) return none;
    const grant = grantOf(record);
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
    const { logins, changes, servers } = this.#options;
    const isOwn = grantOf(record) !== undefined;
    const tokens = await logins.forget(holderOf(record), id);
    changes.tell(isOwn ? id : idInUse(record));
    if (tokens === undefined) return { isRevoked: false };
    this.#note(record, 'logged_out', 'ok');
    if (!isOwn) await servers.touch(record);
    return { isRevoked: await this.#revoke(name, tokens) };
  }

  /**
   * Tokens of a server may be got another way from now on: what was got otherwise, by whomever, is forgotten, and revoked as by
   * {@link ending}.
   */
  async regranted(record: ServerRecord): Promise<void> {
    const { owner, lender = owner, id, name } = record;
    const { logins, changes } = this.#options;
    const digest = digestOf(grantOf(record));
    const others = digest === undefined ? [] : await logins.forgetOthers(lender, id);
    const known = (await logins.read(lender, id))?.tokens;
    const isOver = known !== undefined && known.grant !== digest;
    const own = isOver ? await logins.forget(lender, id) : undefined;
    changes.tell(id);
    void this.#revokeAll(name, own === undefined ? others : [...others, own]);
  }

  /**
   * Takes note of all log-ins to a server that is about to be removed. The function that is returned has the authorization
   * servers forget them, in the background, as far as they can be reached.
   */
  async ending({ owner, lender = owner, id, name }: ServerRecord): Promise<() => void> {
    const all = await this.#options.logins.ofServer(lender, id);
    return () => void this.#revokeAll(name, all);
  }

  /** Others than the owner do not have a server any more: their log-ins are forgotten, and revoked as by {@link ending}. */
  async unshared({ owner, lender = owner, id, name }: ServerRecord): Promise<void> {
    void this.#revokeAll(name, await this.#options.logins.forgetOthers(lender, id));
  }

  /** A few at a time: there may be many, and all at one authorization server. */
  async #revokeAll(serverName: string, all: readonly OAuthTokens[]): Promise<void> {
    const rest = all.values();
    const worker = async () => {
      for (const tokens of rest) await this.#revoke(serverName, tokens);
    };
    await Promise.all(Array.from({ length: REVOKED_AT_A_TIME }, worker));
  }

  /** Whether the authorization server says that it has. */
  async #revoke(
    serverName: string,
    { server, client, accessToken, refreshToken }: OAuthTokens,
  ): Promise<boolean> {
    const { fetch, logger } = this.#options;
    if (server.revocationEndpoint === undefined) return false;
    try {
      const { revokeToken } = await import('./wire.ts');
      if (refreshToken !== undefined) await revokeToken(server, client, refreshToken, 'refresh_token', fetch);
      await revokeToken(server, client, accessToken, 'access_token', fetch);
      return true;
    } catch (error) {
      logger.warn('a log-in was forgotten and could not be revoked', {
        server: serverName,
        reason: error instanceof Error ? error.message : String(error),
      });
      return false;
    }
  }

  /** Whom an invitation is for. Throws NotFound where it is over, or never was. */
  async opened(ticket: string): Promise<OpenedInvitation> {
    const invited = await this.#options.logins.invitation(hash(ticket));
    if (invited === undefined) throw new GatewayError(Code.NotFound, OVER);
    const record = await this.#options.servers.used(invited.owner, invited.serverId);
    return { ...invited, serverName: record.name, serverHost: new URL(loginTarget(record).url).host };
  }

  /** Sends a browser that has opened an invitation on its way. Throws as {@link login}, and NotFound. */
  async begin(ticket: string, isSecondTry = false): Promise<Departure> {
    const { logins, servers } = this.#options;
    const ticketHash = hash(ticket);
    const invited = await logins.invitation(ticketHash);
    if (invited === undefined) throw new GatewayError(Code.NotFound, OVER);
    const record = await servers.used(invited.owner, invited.serverId);
    const target = loginTarget(record);
    const challenge = await this.#challengeOf(record, target);
    const found = await this.#discover(target.url, challenge);
    const scopes = scopesFor(challenge, found, invited.scopes);
    const { client, isFixed } = await this.#client(record, found);
    const { authorizationUrl, randomSecret } = await import('./wire.ts');
    const { issuer, token_endpoint: tokenEndpoint, revocation_endpoint: revocationEndpoint } = found.server;
    const login: PendingLogin = {
      url: target.url,
      resource: found.resource,
      server: {
        issuer,
        tokenEndpoint,
        ...(revocationEndpoint === undefined ? {} : { revocationEndpoint }),
        issParameterSupported: found.server.authorization_response_iss_parameter_supported === true,
      },
      client,
      isFixedClient: isFixed,
      verifier: randomSecret(),
      browser: randomSecret(),
      scopes,
      isSecondTry,
    };
    const state = randomSecret();
    await logins.begin(ticketHash, hash(state), login);
    return {
      url: await authorizationUrl(found.server, login, state),
      cookie: { name: cookieNameOf(state), value: login.browser },
    };
  }

  /**
   * Takes what a browser brings back, once. `cookie`: reads a cookie of the browser's. Throws a GatewayError whose message is for
   * the person.
   */
  async complete(params: URLSearchParams, cookie: (name: string) => string | undefined): Promise<Completion> {
    const { logins, changes, servers } = this.#options;
    const state = params.get('state') ?? '';
    const taken = state === '' ? undefined : await logins.take(hash(state));
    if (taken === undefined) throw new GatewayError(Code.NotFound, OVER);
    const { owner, serverId, login } = taken;
    const record = await servers.used(owner, serverId);
    // The invitation has gone with it.
    changes.tell(idInUse(record));
    try {
      const done = await this.#redeem(record, login, params, state, cookie);
      if ('serverName' in done) this.#note(record, 'logged_in', 'ok');
      return done;
    } catch (error) {
      const isDenied = error instanceof GatewayError && error.code === Code.Forbidden;
      this.#note(record, 'logged_in', isDenied ? 'denied' : 'error');
      throw error;
    }
  }

  #note(
    { owner, name: server }: ServerRecord,
    action: 'logged_in' | 'logged_out',
    outcome: EventOutcome,
  ): void {
    const { tenantId, userId } = owner;
    this.#options.events.append({ type: 'login', action, tenantId, userId, server, outcome });
  }

  async #redeem(
    record: ServerRecord,
    login: PendingLogin,
    params: URLSearchParams,
    state: string,
    cookie: (name: string) => string | undefined,
  ): Promise<Completion> {
    const { logins, changes, servers, fetch, logger } = this.#options;
    const { owner, id: serverId } = record;
    if (!isSame(cookie(cookieNameOf(state)) ?? '', login.browser))
      throw new GatewayError(Code.Forbidden, 'This log-in was begun in another browser.');
    if (loginTarget(record).url !== login.url)
      throw new GatewayError(
        Code.FailedPrecondition,
        'The server has changed meanwhile: begin the log-in again.',
      );
    const { exchangeCode, OAuthRefusal } = await import('./wire.ts');
    try {
      const grant = await exchangeCode(login, params, state, fetch);
      const { issParameterSupported: _, ...server } = login.server;
      const { url, resource, client } = login;
      await logins.save(owner, serverId, { url, resource, server, client, ...grant });
    } catch (error) {
      if (!(error instanceof OAuthRefusal)) throw error;
      if (error.error === 'access_denied')
        throw new GatewayError(Code.Forbidden, 'The log-in was refused, and nothing has changed.');
      if (error.error !== 'invalid_client' || login.isFixedClient || login.isSecondTry) throw error;
      logger.info('an authorization server does not know the gateway any more', { server: record.name });
      await logins.forgetClient(clientOwner(record), serverId, login.server.issuer);
      const ticket = await this.#ticket({ owner, serverId, scopes: login.scopes });
      return { again: await this.begin(ticket, true) };
    }
    changes.tell(idInUse(record));
    await servers.touch(record);
    logger.info('a server was logged in to', { server: record.name });
    return { serverName: record.name };
  }

  async #invite(invitation: Invitation): Promise<string> {
    return `${this.#options.gateway().publicUrl}${LOGIN_PATH}/${await this.#ticket(invitation)}`;
  }

  async #ticket(invitation: Invitation): Promise<string> {
    const { randomSecret } = await import('./wire.ts');
    const ticket = randomSecret();
    await this.#options.logins.invite(hash(ticket), invitation);
    return ticket;
  }

  /** What the server says now to whoever has not logged in; else what it has said to a call. */
  async #challengeOf(record: ServerRecord, target: HttpTarget): Promise<LoginChallenge | undefined> {
    const challenge = await askChallenge(target, this.#options.fetch);
    if (challenge !== undefined) return challenge;
    return (await this.#options.logins.read(record.owner, record.id))?.challenge;
  }

  /** Throws FailedPrecondition where there is no log-in, or none that is safe. */
  async #discover(serverUrl: string, challenge: LoginChallenge | undefined): Promise<Discovered> {
    const found = await discover(serverUrl, challenge, this.#options.fetch);
    if (found === undefined && challenge === undefined)
      throw new GatewayError(Code.FailedPrecondition, 'This server asks nobody to log in');
    const chosen = found ?? withoutMetadata(serverUrl);
    const { issuer, authorization_endpoint: endpoint } = chosen.server;
    if (endpoint === undefined)
      throw new GatewayError(
        Code.FailedPrecondition,
        `The authorization server ${issuer} names no endpoint to log in at`,
      );
    if (!chosen.server.code_challenge_methods_supported?.includes('S256')) {
      throw new GatewayError(
        Code.FailedPrecondition,
        `The authorization server ${issuer} does not say that it protects log-ins with PKCE (S256)`,
      );
    }
    return chosen;
  }

  async #client(
    record: ServerRecord,
    { server }: Discovered,
  ): Promise<{ readonly client: OAuthClient; readonly isFixed: boolean }> {
    const { logins, fetch } = this.#options;
    const gateway = this.#options.gateway();
    const { owner, id } = record;
    const known = await logins.client(clientOwner(record), id, server.issuer);
    if (known?.isConfigured)
      return { client: { ...known, redirectUri: redirectUriOf(gateway) }, isFixed: true };
    const documented = documentedClient(server, gateway);
    if (documented !== undefined) return { client: documented, isFixed: true };
    const isUsable =
      known?.redirectUri === redirectUriOf(gateway) &&
      (known.expiresAt ?? Infinity) > Date.now() + LOGIN_TTL_MS;
    // Where somebody has set out with it and not come back, the authorization server may not know it any more.
    if (known !== undefined && isUsable && !(await logins.isPending(owner, id)))
      return { client: known, isFixed: false };
    const client = await registerClient(server, gateway, fetch);
    await logins.saveClient(clientOwner(record), id, client);
    return { client, isFixed: false };
  }
}

export const LOGIN_PATH = '/oauth/login';

const OVER = 'This log-in is over: it was used already, or took too long. Begin it again.';

/** Whose the gateway's client at an authorization server is: that of a shared server is the same for all. */
function clientOwner({ owner, lender }: ServerRecord): Owner {
  return lender ?? owner;
}

/** Whose the tokens are: those that the gateway gets by itself are the same for all who use the server. */
function holderOf(record: ServerRecord): Owner {
  return grantOf(record) === undefined ? record.owner : clientOwner(record);
}

/** Throws FailedPrecondition for a server that is not logged in to. */
function loginTarget({ target }: ServerRecord): HttpTarget {
  if (target.kind !== 'http')
    throw new GatewayError(Code.FailedPrecondition, 'A server that is a process has no log-in');
  if (target.oauth !== undefined) {
    throw new GatewayError(
      Code.FailedPrecondition,
      'Nobody need log in to this server: the gateway gets its tokens by itself, as a client of the authorization server',
    );
  }
  if (hasOwnAuthorization(target)) {
    throw new GatewayError(
      Code.FailedPrecondition,
      'This server has an authorization header of its own: take it out of its headers to log in in its place',
    );
  }
  return target;
}

function hasOwnAuthorization({ headers }: HttpTarget): boolean {
  return Object.keys(headers).some((name) => name.toLowerCase() === 'authorization');
}

/** Of its own for each log-in: several may be under way in one browser. */
function cookieNameOf(state: string): string {
  return `dragon_login_${hash(state).slice(0, 16)}`;
}

function hash(secret: string): string {
  return createHash('sha256').update(secret).digest('hex');
}

function isSame(given: string, expected: string): boolean {
  return timingSafeEqual(Buffer.from(hash(given)), Buffer.from(hash(expected)));
}
