import { ApiKeys } from './auth/api-keys.ts';
import { type Authenticate, Authenticator } from './auth/authenticator.ts';
import { Challenges } from './auth/challenge.ts';
import { FixedKey } from './auth/fixed-key.ts';
import type { Face, TokenScheme } from './auth/identity.ts';
import type { JwtIssuer } from './auth/jwt/issuer.ts';
import { KnownOwners } from './auth/owners.ts';
import { LOCAL_PRINCIPAL, type Principal } from './auth/principal.ts';
import { ProxyIdentities } from './auth/proxy.ts';
import { type PublishedMetadata, publishMetadata, resourceOf } from './auth/resource-metadata.ts';
import { SubjectTokens } from './auth/subject-tokens.ts';
import type { Config } from './config.ts';
import type { Bus } from './coordination/bus.ts';
import type { Database } from './db/database.ts';
import type { EventLog } from './events/event.ts';
import { Sparingly } from './events/sparingly.ts';
import type { GatewayError } from './protocol/errors.ts';
import type { Logger } from './telemetry/types.ts';

/** How callers of both ports are known, as it is configured. */
export interface Authentication {
  readonly mcp: Authenticate;
  readonly management: Authenticate;
  readonly apiKeys: ApiKeys;
  /** What clients are told of the issuers of tokens; undefined without any. */
  readonly metadata: PublishedMetadata | undefined;
  /** Of callers of the MCP port. */
  readonly subjectTokens: SubjectTokens;
  close(): void;
}

export interface AuthenticationParts {
  readonly database: Database;
  readonly bus: Bus;
  readonly logger: Logger;
  readonly events: EventLog;
}

export async function createAuthentication(
  config: Config,
  { database, bus, logger, events }: AuthenticationParts,
): Promise<Authentication> {
  const owners = new KnownOwners((owner) => database.addOwner(owner));
  const apiKeys = new ApiKeys(database.apiKeys, bus, (owner) => owners.ensure(owner), events);
  const subjectTokens = new SubjectTokens();
  const close = () => {
    apiKeys.close();
    subjectTokens.close();
  };
  if (config.auth.length === 0) {
    const everybody = () => LOCAL_PRINCIPAL;
    return { mcp: everybody, management: everybody, apiKeys, metadata: undefined, subjectTokens, close };
  }
  const issuers = issuersOf(config);
  const metadata = metadataOf(config, issuers);
  const schemes: TokenScheme[] = [];
  if (config.adminApiKey !== undefined) schemes.push(new FixedKey(config.adminApiKey));
  if (config.auth.includes('api-key')) schemes.push(apiKeys);
  if (issuers.length > 0) {
    // Loaded only where it is used: the start without it is faster.
    const { JwtTokens } = await import('./auth/jwt/tokens.ts');
    schemes.push(new JwtTokens({ issuers, logger }));
  }
  const proxy = proxyOf(config);
  const faced = (face: Face) => {
    const scopes = scopesOf(issuers[0], face);
    const challenges = new Challenges({ metadataUrl: metadata?.url, scopes });
    const told = {
      ...credentialEvents(events),
      ...(face === 'mcp' ? { onToken: subjectTokens.keep.bind(subjectTokens) } : {}),
    };
    const authenticator = new Authenticator({ face, schemes, proxy, challenges, owners, ...told });
    apiKeys.onRevoked((id) => authenticator.forget(id));
    return authenticator.authenticate;
  };
  return { mcp: faced('mcp'), management: faced('management'), apiKeys, metadata, subjectTokens, close };
}

function issuersOf({ jwtIssuers = [], publicUrl }: Config): readonly JwtIssuer[] {
  return jwtIssuers.map(({ audience, tenant = 'default', tenantClaim, ...issuer }) => ({
    ...issuer,
    jwksUrl: issuer.jwksUrl,
    tokenType: issuer.tokenType,
    rolesClaim: issuer.rolesClaim,
    // Settings without a URL are refused.
    audiences: audience ?? (publicUrl === undefined ? [] : [resourceOf(publicUrl)]),
    tenant: tenantClaim === undefined ? tenant : { claim: tenantClaim },
  }));
}

function metadataOf({ publicUrl }: Config, issuers: readonly JwtIssuer[]): PublishedMetadata | undefined {
  if (publicUrl === undefined || issuers.length === 0) return undefined;
  const scopes = new Set(issuers.flatMap(({ mcpScopes, manageScopes }) => [...mcpScopes, ...manageScopes]));
  return publishMetadata(
    publicUrl,
    issuers.map(({ issuer }) => issuer),
    [...scopes],
  );
}

/** To be asked for in the first place, of the issuer that is named first. */
function scopesOf(issuer: JwtIssuer | undefined, face: Face): readonly string[] {
  return (face === 'mcp' ? issuer?.mcpScopes : issuer?.manageScopes) ?? [];
}

function proxyOf(config: Config): ProxyIdentities | undefined {
  const { proxyAddresses } = config;
  if (proxyAddresses === undefined) return undefined;
  return new ProxyIdentities({
    addresses: proxyAddresses.list,
    userHeader: config.proxyUserHeader,
    tenantHeader: config.proxyTenantHeader,
    rolesHeader: config.proxyRolesHeader,
    adminRoles: config.proxyAdminRoles,
    secret: config.proxySecret,
  });
}

/** Refused credentials that are told at once, and milliseconds for each further one: anybody can make them. */
const REFUSALS = { burst: 20, everyMs: 10_000 };

function credentialEvents(events: EventLog) {
  const sparingly = new Sparingly(REFUSALS.burst, REFUSALS.everyMs);
  return {
    onRefused(face: Face, error: GatewayError) {
      const skipped = sparingly.tell();
      if (skipped === undefined) return;
      const detail = { face, reason: error.message, ...(skipped === 0 ? {} : { skipped }) };
      // Nobody knows whose it would be: the tenant of the operator is told.
      const { tenantId } = LOCAL_PRINCIPAL;
      events.append({ type: 'key', action: 'refused', tenantId, outcome: 'denied', detail });
    },
    onAccepted(face: Face, { tenantId, userId }: Principal, action: 'token' | 'proxy') {
      events.append({ type: 'login', action, tenantId, userId, outcome: 'ok', detail: { face } });
    },
  };
}
