import { createHash } from 'node:crypto';
import { LRUCache } from 'lru-cache';
import type { SubjectTokens } from '../auth/subject-tokens.ts';
import type { Bus } from '../coordination/bus.ts';
import type { LoginRepository, OAuthTokens } from '../db/oauth-record.ts';
import type { ClientGrant, HttpTarget } from '../db/server-record.ts';
import type { Credentials } from '../downstream/credentials.ts';
import { type DownstreamServer, isOfCallers } from '../downstream/port.ts';
import { storedId } from '../downstream/server-id.ts';
import type { EventLog } from '../events/event.ts';
import type { NetworkGuard } from '../networks/guard.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { BrowserLogins } from './browser-logins.ts';
import { bearerChallenge } from './challenge.ts';
import { Changes } from './changes.ts';
import type { GatewayClient } from './client-identity.ts';
import { discover } from './discovery.ts';
import { exchangeFor } from './exchange.ts';
import { ExchangedTokens } from './exchanged-tokens.ts';
import { digestOf, grantOf, lenderOf } from './grant-digest.ts';
import { createGuardedFetcher, type GuardedFetch } from './guarded-fetch.ts';
import { Logins, type LoginsOptions } from './logins.ts';
import { obtainTokens } from './own-tokens.ts';
import { ServerTokens } from './server-tokens.ts';

export interface OutgoingLoginsOptions {
  readonly logins: LoginRepository;
  readonly bus: Bus;
  readonly networks: NetworkGuard;
  readonly gateway: () => GatewayClient;
  readonly servers: LoginsOptions['servers'];
  /** Of callers, to be exchanged. */
  readonly subjects: Pick<SubjectTokens, 'of'>;
  /** Authorization servers that these may be sent to. */
  readonly exchangeIssuers: readonly string[];
  readonly events: EventLog;
  readonly logger: Logger;
}

/** Log-ins to servers: what connections use of them, and what people do about them. */
export interface OutgoingLogins {
  readonly credentials: Credentials;
  readonly logins: Logins;
  readonly browserLogins: BrowserLogins;
  close(): Promise<void>;
}

/** For one request to an authorization server or for metadata, in milliseconds. */
const TIMEOUT_MS = 10_000;

/** What servers offer is asked again after so many milliseconds. */
const OFFER_TTL_MS = 5 * 60 * 1000;

const MAX_OFFERS = 10_000;

export function createOutgoingLogins(options: OutgoingLoginsOptions): OutgoingLogins {
  const { logger, networks } = options;
  const fetcher = createGuardedFetcher({ networks, timeoutMs: TIMEOUT_MS });
  const changes = new Changes(options.bus);
  const loginsOptions = { ...options, changes, fetch: fetcher.fetch };
  const logins = new Logins(loginsOptions);
  const tokens = new ServerTokens({
    logins: options.logins,
    changes,
    logger,
    refresh: async (tokens: OAuthTokens) => (await import('./wire.ts')).refreshTokens(tokens, fetcher.fetch),
    obtain: async (server, grant, before) => {
      const target = await currentTarget(server, grant, options.servers);
      return obtainTokens({ serverName: server.name, target, grant, before }, fetcher.fetch);
    },
    invite: (server, scopes) => logins.invite(server, scopes),
    offersLogin: offers(fetcher.fetch),
    clientLost: async (server, { client: { issuer, isConfigured = false } }) => {
      if (!isConfigured) await options.logins.forgetClient(lenderOf(server), storedId(server.id), issuer);
    },
  });
  const exchanged = new ExchangedTokens({
    changes,
    subjects: options.subjects,
    logger,
    exchange: async (server, grant, subject) => {
      const target = await currentTarget(server, grant, options.servers);
      const issuers = options.exchangeIssuers;
      return exchangeFor({ serverName: server.name, target, grant, subject, issuers }, fetcher.fetch);
    },
  });
  const those = (server: DownstreamServer) => (isOfCallers(server) ? exchanged : tokens);
  return {
    credentials: {
      of: (server) => those(server).of(server),
      refused: (server, refusal) => those(server).refused(server, refusal),
    },
    logins,
    browserLogins: new BrowserLogins(loginsOptions),
    async close() {
      changes.close();
      await fetcher.close();
    },
  };
}

/**
 * Where a server with this grant is. Rejects where it has changed: a connection from before would have the new client's secret sent by
 * the old rules, or the old one's at all.
 */
async function currentTarget(
  { id, owner, name, target }: DownstreamServer,
  grant: ClientGrant,
  servers: OutgoingLoginsOptions['servers'],
): Promise<HttpTarget> {
  if (target.kind !== 'http') throw new GatewayError(Code.Internal, 'Only servers with a URL have tokens');
  const current = await servers.used(owner, storedId(id));
  const isCurrent = current.target.kind === 'http' && current.target.url === target.url;
  if (isCurrent && digestOf(grantOf(current)) === digestOf(grant)) return target;
  throw new GatewayError(Code.DownstreamUnavailable, `Server "${name}" has changed meanwhile: try again`);
}

/** Whether servers publish how to log in to them: those that want some other kind of credentials do not. */
function offers(fetch: GuardedFetch) {
  const known = new LRUCache<string, Promise<boolean>>({ max: MAX_OFFERS, ttl: OFFER_TTL_MS });
  return ({ target }: DownstreamServer, wwwAuthenticate: string | undefined): Promise<boolean> => {
    const challenge = bearerChallenge(wwwAuthenticate);
    if (target.kind !== 'http') return Promise.resolve(false);
    if (challenge?.resourceMetadata !== undefined) return Promise.resolve(true);
    const key = createHash('sha256').update(target.url).digest('base64url');
    const asked = known.get(key) ?? asks(target.url, challenge !== undefined, fetch);
    known.set(key, asked);
    return asked;
  };
}

function asks(url: string, isBearer: boolean, fetch: GuardedFetch): Promise<boolean> {
  return discover(url, undefined, fetch).then(
    (found) => found !== undefined,
    // What is published can't be read or may not be used: whoever opens the log-in is told why.
    () => isBearer,
  );
}
