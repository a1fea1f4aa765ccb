import { LRUCache } from 'lru-cache';
import type { SubjectToken, SubjectTokens } from '../auth/subject-tokens.ts';
import type { OAuthTokens } from '../db/oauth-record.ts';
import type { ClientGrant } from '../db/server-record.ts';
import type { AccessToken, Credentials, Refusal } from '../downstream/credentials.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import { usedId } from '../downstream/server-id.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { bearerChallenge } from './challenge.ts';
import type { Changes } from './changes.ts';
import { digestOf, grantOf } from './grant-digest.ts';
import { AGAIN_MS, renewalOf, urlOf } from './known-login.ts';

export interface ExchangedTokensOptions {
  readonly changes: Changes;
  readonly subjects: Pick<SubjectTokens, 'of'>;
  readonly logger: Logger;
  /**
   * Exchanges a caller's token for one of the server. Rejects with an error that names the server: LoginRequired where it would
   * not go otherwise a moment later.
   */
  readonly exchange: (
    server: DownstreamServer,
    grant: ClientGrant,
    subject: SubjectToken,
  ) => Promise<Pick<OAuthTokens, 'accessToken' | 'expiresAt'>>;
}

interface Known {
  readonly token: AccessToken;
  readonly url: string;
  readonly digest: string | undefined;
  /** Milliseconds since 1970. */
  readonly endsAt: number;
  renewAt: number;
  /** The server has refused it as it came from the exchange: until then it costs no other. */
  rejectedUntil: number;
}

interface Refused {
  readonly digest: string | undefined;
  readonly error: GatewayError;
  /** A change since then has it tried anew. */
  readonly seen: number;
  readonly until: number;
}

/** Tokens in memory; beyond, the one not used for longest is exchanged for anew. */
const MAX_KNOWN = 20_000;

/** Who was refused asks for none with the same token of the caller for so long, in milliseconds. */
const REFUSED_MS = 5000;

/** A server that refuses what was just exchanged for costs no other exchange for so long, in milliseconds. */
const REJECTED_MS = 60_000;

/**
 * Tokens of servers that callers' own were exchanged for (RFC 8693), in this node's memory until their end: one for each server and
 * each who uses it, whom the id of a server in use tells apart.
 */
export class ExchangedTokens implements Credentials {
  readonly #options: ExchangedTokensOptions;
  readonly #known = new LRUCache<string, Known>({ max: MAX_KNOWN });
  readonly #exchanging = new Map<string, Promise<AccessToken>>();
  /** By the caller's token, with which they go; then by server. */
  readonly #refusals = new WeakMap<SubjectToken, Map<string, Refused>>();
  #versions = 0;

  constructor(options: ExchangedTokensOptions) {
    this.#options = options;
    options.changes.on((serverId) => {
      if (serverId === undefined) this.#known.clear();
      else this.#known.delete(serverId);
    });
  }

  of(server: DownstreamServer): AccessToken | Promise<AccessToken> {
    const known = this.#knownOf(server);
    const now = Date.now();
    if (known === undefined || now >= known.endsAt) return this.#exchanged(server);
    if (now >= known.renewAt) {
      // It is good for a while: nobody waits, and who is next does not try at once.
      known.renewAt = Math.min(now + AGAIN_MS, known.endsAt);
      this.#exchanged(server).catch((error) => {
        const { message: reason } = GatewayError.from(error);
        this.#options.logger.warn('a token could not be exchanged anew', { server: server.name, reason });
      });
    }
    return known.token;
  }

  async refused(
    server: DownstreamServer,
    { status, wwwAuthenticate, used, isSecondTry }: Refusal,
  ): Promise<AccessToken | undefined> {
    if (status !== 401) return insufficient(server, wwwAuthenticate);
    const known = this.#knownOf(server);
    if (known !== undefined && known.token.version !== used?.version && !isSecondTry) return known.token;
    const now = Date.now();
    if (isSecondTry && known !== undefined) known.rejectedUntil = now + REJECTED_MS;
    if (isSecondTry || now < (known?.rejectedUntil ?? 0)) {
      const reason = `Server "${server.name}" does not accept the token that its caller's was exchanged for`;
      throw new GatewayError(Code.LoginRequired, reason);
    }
    return this.#exchanged(server);
  }

  #knownOf(server: DownstreamServer): Known | undefined {
    const known = this.#known.get(usedId(server.id));
    return known?.url === urlOf(server) && known.digest === digestOf(grantOf(server)) ? known : undefined;
  }

  #exchanged(server: DownstreamServer): Promise<AccessToken> {
    const grant = grantOf(server);
    const subject = this.#options.subjects.of(server.owner);
    if (grant === undefined || subject === undefined) return Promise.reject(noSubject(server));
    const id = usedId(server.id);
    const digest = digestOf(grant);
    const refused = this.#refusals.get(subject)?.get(id);
    if (refused !== undefined && refused.digest === digest && this.#isFresh(id, refused))
      return Promise.reject(refused.error);
    const key = JSON.stringify([id, digest, urlOf(server)]);
    const exchanging = this.#exchanging.get(key);
    if (exchanging !== undefined) return exchanging;
    const started = this.#exchange(server, grant, subject).finally(() => this.#exchanging.delete(key));
    this.#exchanging.set(key, started);
    return started;
  }

  #isFresh(id: string, { seen, until }: Refused): boolean {
    return this.#options.changes.count(id) === seen && Date.now() < until;
  }

  async #exchange(server: DownstreamServer, grant: ClientGrant, subject: SubjectToken): Promise<AccessToken> {
    const { changes, exchange } = this.#options;
    const id = usedId(server.id);
    const digest = digestOf(grant);
    const seen = changes.count(id);
    try {
      const { accessToken, expiresAt } = await exchange(server, grant, subject);
      const token: AccessToken = {
        header: ['authorization', `Bearer ${accessToken}`],
        version: ++this.#versions,
      };
      // What does not say how long it is good is so as long as what it was exchanged for.
      const endsAt = expiresAt ?? subject.endsAt;
      const renewAt = renewalOf(endsAt);
      if (changes.count(id) === seen)
        this.#known.set(id, { token, url: urlOf(server), digest, endsAt, renewAt, rejectedUntil: 0 });
      return token;
    } catch (thrown) {
      const error = GatewayError.from(thrown);
      if (error.code === Code.LoginRequired) {
        const refusals = this.#refusals.get(subject) ?? new Map<string, Refused>();
        const until = Date.now() + REFUSED_MS;
        this.#refusals.set(subject, refusals.set(id, { digest, error, seen, until }));
      }
      throw error;
    }
  }
}

/** Of a token that may do less than this request takes. Any other 403 is the server's own answer. */
function insufficient({ name }: DownstreamServer, wwwAuthenticate: string | undefined): undefined {
  const challenge = bearerChallenge(wwwAuthenticate);
  if (challenge?.error !== 'insufficient_scope') return undefined;
  const scopes = challenge.scopes?.join(' ') ?? 'not told which';
  const reason = `Server "${name}" wants the token that its caller's is exchanged for to have more scopes: ${scopes}`;
  throw new GatewayError(Code.LoginRequired, reason);
}

function noSubject({ name }: DownstreamServer): GatewayError {
  const reason =
    `Server "${name}" takes a token that its caller's own is exchanged for, and this node has none of yours: ` +
    'call with an access token (JWT) of an issuer that the gateway accepts, not with an API key or through a proxy';
  return new GatewayError(Code.LoginRequired, reason);
}
