import { LRUCache } from 'lru-cache';
import type { LoginRecord, LoginRepository, OAuthTokens } from '../db/oauth-record.ts';
import type { ClientGrant } from '../db/server-record.ts';
import type { AccessToken, Credentials, Refusal } from '../downstream/credentials.ts';
import { LoginRequired } from '../downstream/login-required.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import { storedId, usedId } from '../downstream/server-id.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { bearerChallenge } from './challenge.ts';
import type { Changes } from './changes.ts';
import { digestOf, grantOf, holderOf } from './grant-digest.ts';
import { AGAIN_MS, isOver, isRejected, type KnownLogin, knownOf, tokenFor, urlOf } from './known-login.ts';

export interface ServerTokensOptions {
  readonly logins: LoginRepository;
  readonly changes: Changes;
  readonly logger: Logger;
  /** Exchanges a refresh token. Rejects with FailedPrecondition where it is of no use any more. */
  readonly refresh: (tokens: OAuthTokens) => Promise<OAuthTokens>;
  /**
   * Gets a token as a client in the gateway's own right. `before`: the last. Rejects with an error that names the server:
   * LoginRequired where it would not go otherwise a moment later.
   */
  readonly obtain: (
    server: DownstreamServer,
    grant: ClientGrant,
    before: OAuthTokens | undefined,
  ) => Promise<OAuthTokens>;
  /** Where the owner of a server can log in, asking for these scopes beside what the server wants. */
  readonly invite: (server: DownstreamServer, scopes: readonly string[]) => Promise<string>;
  /** Whether a server that refuses a request offers a log-in at all. */
  readonly offersLogin: (server: DownstreamServer, wwwAuthenticate: string | undefined) => Promise<boolean>;
  /** A refresh was refused: what was registered for this authorization server is not known there. */
  readonly clientLost: (server: DownstreamServer, tokens: OAuthTokens) => Promise<void>;
}

/** Log-ins kept in memory; beyond, the one not used for longest is read again. */
const MAX_KNOWN = 20_000;

/** Longer than a refresh takes; who died in it holds nobody up for longer. */
const CLAIM_MS = 30_000;

/** For a renewal at another node, and how often it is looked whether that is done, if the news of it is lost. */
const WAIT_MS = 20_000;
const POLL_MS = 250;

/** How often what a refresh has brought is tried to be stored: what it has replaced is of no use any more. */
const SAVES = 4;

/** Who was refused a token asks for none for so long, in milliseconds, on this node. */
const REFUSED_MS = 5000;

const REJECTED = 'does not accept its log-in';

const OVER = 'needs a new log-in, since the last is over';

/**
 * What log-ins to servers have brought, in memory for as long as it counts. A token is renewed once in the cluster: a node
 * claims its version in the database, where the others then find the next.
 */
export class ServerTokens implements Credentials {
  readonly #options: ServerTokensOptions;
  readonly #known = new LRUCache<string, KnownLogin>({ max: MAX_KNOWN });
  readonly #loading = new Map<string, Promise<KnownLogin>>();
  readonly #renewing = new Map<string, Promise<KnownLogin>>();
  /** By server: what its grant was refused with a moment ago. */
  readonly #refusals = new LRUCache<string, { readonly digest: string; readonly error: GatewayError }>({
    max: MAX_KNOWN,
    ttl: REFUSED_MS,
  });
  readonly #changes: Changes;

  constructor(options: ServerTokensOptions) {
    this.#options = options;
    this.#changes = options.changes;
    this.#changes.on((serverId) => this.#forget(serverId));
  }

  of(server: DownstreamServer): AccessToken | undefined | Promise<AccessToken | undefined> {
    const id = idOf(server);
    const known = this.#known.get(id);
    if (known === undefined) return this.#load(server).then((loaded) => this.#usable(server, loaded));
    if (Date.now() >= known.renewAt) return this.#usable(server, known);
    const token = tokenFor(server, known);
    return token === undefined && grantOf(server) !== undefined ? this.#usable(server, known) : token;
  }

  async refused(server: DownstreamServer, refusal: Refusal): Promise<AccessToken | undefined> {
    const known = this.#known.get(idOf(server)) ?? (await this.#load(server));
    const token = tokenFor(server, known);
    // Somebody was faster: what is there now has not been refused yet.
    if (token !== undefined && token.version !== refusal.used?.version && !refusal.isSecondTry) return token;
    return refusal.status === 401
      ? this.#unauthorized(server, refusal, known, token)
      : this.#insufficient(server, refusal, known);
  }

  async #unauthorized(
    server: DownstreamServer,
    { wwwAuthenticate, isSecondTry }: Refusal,
    known: KnownLogin,
    token: AccessToken | undefined,
  ): Promise<AccessToken | undefined> {
    if (token === undefined && grantOf(server) !== undefined) return this.#usable(server, known);
    if (token === undefined) {
      if (!(await this.#options.offersLogin(server, wwwAuthenticate))) return undefined;
      await this.#note(server, known, wwwAuthenticate);
      throw await this.#loginRequired(server, 'needs a log-in', known);
    }
    if (isSecondTry) await this.#noteRejected(server, known);
    if (isSecondTry || isRejected(known)) throw await this.#loginRequired(server, REJECTED, known);
    return this.#renewed(server, token.version);
  }

  /** Of a token that may do less than this request takes. Any other 403 is the server's own answer. */
  async #insufficient(
    server: DownstreamServer,
    { wwwAuthenticate }: Refusal,
    known: KnownLogin,
  ): Promise<undefined> {
    const challenge = bearerChallenge(wwwAuthenticate);
    if (challenge?.error !== 'insufficient_scope' || known.record?.tokens === undefined) return undefined;
    if (grantOf(server) !== undefined) {
      const scopes = challenge.scopes?.join(' ') ?? 'not told which';
      const reason = `Server "${server.name}" wants its client to have more scopes: ${scopes}`;
      throw new GatewayError(Code.LoginRequired, reason);
    }
    throw await this.#loginRequired(server, 'needs a log-in that may do more', known, challenge.scopes);
  }

  /** What may be sent, renewed where it is time. */
  async #usable(server: DownstreamServer, known: KnownLogin): Promise<AccessToken | undefined> {
    const hasGrant = grantOf(server) !== undefined;
    if (!hasGrant && isOver(server, known)) throw await this.#loginRequired(server, OVER, known);
    const token = tokenFor(server, known);
    const now = Date.now();
    if (token === undefined) return hasGrant ? this.#renewed(server, undefined) : undefined;
    if (now < known.renewAt) return token;
    const renewing = this.#renewed(server, token.version);
    const { expiresAt = 0 } = known.record?.tokens ?? {};
    if (now >= expiresAt) return renewing;
    // It is good for a while: nobody waits, and who is next does not try at once.
    known.renewAt = Math.min(now + AGAIN_MS, expiresAt);
    renewing.catch((error) => {
      const { message: reason } = GatewayError.from(error);
      this.#options.logger.warn('a log-in could not be renewed', { server: server.name, reason });
    });
    return token;
  }

  #load(server: DownstreamServer): Promise<KnownLogin> {
    const id = idOf(server);
    const loading = this.#loading.get(id);
    if (loading !== undefined) return loading;
    const seen = this.#changes.count(id);
    const started = this.#options.logins
      .read(holderOf(server), storedId(id))
      .then((record) => this.#keep(id, record, seen))
      .finally(() => this.#loading.delete(id));
    this.#loading.set(id, started);
    return started;
  }

  /** What was read before a change became known is used once, and not kept. */
  #keep(id: string, record: LoginRecord | undefined, seen: number): KnownLogin {
    const known = knownOf(record);
    if (this.#changes.count(id) === seen) this.#known.set(id, known);
    return known;
  }

  async #renewed(server: DownstreamServer, version: number | undefined): Promise<AccessToken | undefined> {
    const token = tokenFor(server, await this.#renew(server, version));
    if (token !== undefined || grantOf(server) === undefined) return token;
    const reason = `How tokens for server "${server.name}" are got has changed meanwhile: try again`;
    throw new GatewayError(Code.DownstreamUnavailable, reason);
  }

  #renew(server: DownstreamServer, version: number | undefined): Promise<KnownLogin> {
    const id = idOf(server);
    const digest = digestOf(grantOf(server));
    const refused = this.#refusals.get(id);
    if (digest !== undefined && refused?.digest === digest) return Promise.reject(refused.error);
    const key = digest === undefined ? id : `${id} ${digest}`;
    const renewing = this.#renewing.get(key);
    if (renewing !== undefined) return renewing;
    const started = this.#renewOnce(server, version).finally(() => this.#renewing.delete(key));
    this.#renewing.set(key, started);
    return started;
  }

  /** Renews this version, or finds the next that another node has made of it. Without one: where there is none that counts. */
  async #renewOnce(server: DownstreamServer, version: number | undefined): Promise<KnownLogin> {
    const { logins } = this.#options;
    const id = idOf(server);
    const grant = grantOf(server);
    // What is claimed has to be there.
    if (grant !== undefined && version === undefined)
      await logins.noteChallenge(holderOf(server), storedId(id), urlOf(server), {});
    const until = performance.now() + WAIT_MS;
    while (performance.now() < until) {
      const seen = this.#changes.count(id);
      const record = await logins.read(holderOf(server), storedId(id));
      const known = this.#keep(id, record, seen);
      if (grant === undefined) {
        if (record?.tokens === undefined) throw await this.#loginRequired(server, OVER, known);
        if (record.version !== version) return known;
        if (record.tokens.refreshToken === undefined) return this.#over(server, known, record.version);
      } else {
        if (record === undefined) throw goneOf(server);
        if (record.version !== version && tokenFor(server, known) !== undefined) return known;
      }
      if (await logins.claim(holderOf(server), storedId(id), record.version, CLAIM_MS))
        return this.#renewClaimed(server, known, record);
      await this.#changes.next(id, POLL_MS);
    }
    const reason = `The log-in to server "${server.name}" is being renewed, which takes too long`;
    throw new GatewayError(Code.DownstreamUnavailable, reason);
  }

  async #renewClaimed(server: DownstreamServer, known: KnownLogin, record: LoginRecord): Promise<KnownLogin> {
    const { logins, logger } = this.#options;
    const { version } = record;
    const id = idOf(server);
    const grant = grantOf(server);
    let renewed: OAuthTokens;
    try {
      renewed = await this.#next(server, known, record);
    } catch (thrown) {
      const error = GatewayError.from(thrown);
      logger.warn('a log-in is not renewed', { server: server.name, reason: error.message });
      if (grant === undefined && error.code === Code.FailedPrecondition) {
        if (isClientLost(error) && record.tokens !== undefined)
          await this.#options.clientLost(server, record.tokens);
        return this.#over(server, known, version);
      }
      await logins.unclaim(holderOf(server), storedId(id), version).catch(() => {});
      if (grant !== undefined) {
        if (error.code === Code.LoginRequired)
          this.#refusals.set(id, { digest: digestOf(grant) ?? '', error });
        throw error;
      }
      const reason = `The log-in to server "${server.name}" could not be renewed: ${error.message}`;
      throw new GatewayError(Code.DownstreamUnavailable, reason, { cause: thrown });
    }
    const next = await this.#save(server, renewed, version);
    this.#changes.tell(id);
    const seen = this.#changes.count(id);
    const found: LoginRecord | undefined =
      next === undefined
        ? await logins.read(holderOf(server), storedId(id))
        : { url: renewed.url, state: 'active', version: next, tokens: renewed };
    const kept = this.#keep(id, found, seen);
    if (grant === undefined && found?.tokens === undefined)
      throw await this.#loginRequired(server, 'needs a log-in', kept);
    return kept;
  }

  #next(server: DownstreamServer, known: KnownLogin, { tokens }: LoginRecord): Promise<OAuthTokens> {
    const grant = grantOf(server);
    if (grant !== undefined) {
      const isIts = tokenFor(server, known) !== undefined;
      return this.#options.obtain(server, grant, isIts ? tokens : undefined);
    }
    return tokens === undefined ? Promise.reject(goneOf(server)) : this.#options.refresh(tokens);
  }

  /** The next version; undefined where somebody has logged in or out meanwhile. */
  async #save(server: DownstreamServer, tokens: OAuthTokens, version: number): Promise<number | undefined> {
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#options.logins.save(holderOf(server), storedId(server.id), tokens, version);
      } catch (error) {
        if (attempt === SAVES) throw error;
        await this.#changes.next(idOf(server), POLL_MS * attempt);
      }
    }
  }

  /** Nothing renews it any more. */
  async #over(server: DownstreamServer, known: KnownLogin, version: number): Promise<never> {
    const id = idOf(server);
    await this.#options.logins.expire(holderOf(server), storedId(id), version);
    this.#changes.tell(id);
    throw await this.#loginRequired(server, OVER, known);
  }

  /** Kept with the log-in, so that other nodes know it, too. Where that can't be, the next call tries once more. */
  async #noteRejected(server: DownstreamServer, known: KnownLogin): Promise<void> {
    const { tokens, version } = known.record ?? {};
    if (tokens === undefined || isRejected(known)) return;
    const rejected = { ...tokens, rejectedAt: Date.now() };
    await this.#options.logins
      .save(holderOf(server), storedId(server.id), rejected, version)
      .then(() => this.#changes.tell(idOf(server)))
      .catch(() => {});
  }

  async #note(
    server: DownstreamServer,
    known: KnownLogin,
    wwwAuthenticate: string | undefined,
  ): Promise<void> {
    const { error: _, ...challenge } = bearerChallenge(wwwAuthenticate) ?? {};
    const url = urlOf(server);
    const { record } = known;
    if (record?.url === url && JSON.stringify(record.challenge) === JSON.stringify(challenge)) return;
    const id = idOf(server);
    await this.#options.logins.noteChallenge(holderOf(server), storedId(id), url, challenge);
    this.#forget(id);
  }

  async #loginRequired(
    server: DownstreamServer,
    why: string,
    { record }: KnownLogin,
    scopes: readonly string[] = [],
  ): Promise<GatewayError> {
    const grant = grantOf(server);
    // There is nothing that anybody could log in to.
    if (grant !== undefined) {
      const reason = `Server "${server.name}" does not accept the token that its client has got`;
      return new GatewayError(Code.LoginRequired, reason);
    }
    const asked = [...new Set([...(record?.tokens?.scopes ?? []), ...scopes])];
    return new LoginRequired(server.name, why, await this.#options.invite(server, asked));
  }

  /** Without an id: of all servers. */
  #forget(serverId: string | undefined): void {
    if (serverId === undefined) {
      this.#known.clear();
      this.#refusals.clear();
    } else {
      this.#known.delete(serverId);
      this.#refusals.delete(serverId);
    }
  }
}

/**
 * By which a log-in is known in memory: one that is tried out has that of the server in use, and what the gateway gets by itself is
 * the same for all who use a server.
 */
function idOf(server: DownstreamServer): string {
  return grantOf(server) === undefined ? usedId(server.id) : storedId(server.id);
}

function goneOf({ name }: DownstreamServer): GatewayError {
  return new GatewayError(Code.DownstreamUnavailable, `Server "${name}" is gone, or is shared no more`);
}

function isClientLost(error: GatewayError): boolean {
  return 'error' in error && (error.error === 'invalid_client' || error.error === 'unauthorized_client');
}
