import { Code, GatewayError } from '../../protocol/errors.ts';
import { type Barred, type Face, type Identity, isIdentifier, unauthenticated } from '../identity.ts';
import { type Principal, type Role, rolesOf } from '../principal.ts';
import type { ClaimPath, JwtIssuer } from './issuer.ts';

type Claims = Readonly<Record<string, unknown>>;

/** Who a token's claims are about, and what it is good for. Its signature has been checked. */
export function identityOf(issuer: JwtIssuer, claims: Claims, until: number): Identity {
  const { tenant } = issuer;
  const tenantId = typeof tenant === 'string' ? tenant : nameAt(claims, tenant.claim);
  const userId = nameAt(claims, issuer.userClaim);
  const principal: Principal = { tenantId, userId, roles: rolesIn(issuer, claims) };
  return { principal, until, barred: barredBy(issuer, scopesIn(claims)) };
}

function nameAt(claims: Claims, path: ClaimPath): string {
  const value = valueAt(claims, path);
  if (isIdentifier(value)) return value;
  throw unauthenticated(`The token's claim ${path.join('.')} is missing, or is no name`);
}

/** Members of the token's own objects only: `constructor` is no claim. */
function valueAt(claims: Claims, path: ClaimPath): unknown {
  let value: unknown = claims;
  for (const name of path) {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
    value = Reflect.get(value, name);
  }
  return value;
}

function rolesIn({ rolesClaim, roles, defaultRole }: JwtIssuer, claims: Claims): readonly Role[] {
  const given = rolesClaim === undefined ? [] : textsOf(valueAt(claims, rolesClaim));
  const known = given.flatMap((role) => (Object.hasOwn(roles, role) ? [roles[role] ?? ''] : []));
  if (known.length > 0 || defaultRole === 'user') return rolesOf(known);
  throw new GatewayError(Code.Forbidden, 'The token has no role that may use this gateway');
}

/** `scope` of RFC 9068, `scp` of some issuers. */
function scopesIn(claims: Claims): readonly string[] {
  return [...textsOf(valueAt(claims, ['scope'])), ...textsOf(valueAt(claims, ['scp']))];
}

function textsOf(value: unknown): readonly string[] {
  if (typeof value === 'string') return value.split(' ').filter((text) => text !== '');
  return Array.isArray(value) ? value.filter((text) => typeof text === 'string') : [];
}

function barredBy(
  { mcpScopes, manageScopes }: JwtIssuer,
  given: readonly string[],
): Partial<Record<Face, Barred>> {
  const lacks = (needed: readonly string[]) => needed.some((scope) => !given.includes(scope));
  return {
    ...(lacks(mcpScopes) ? { mcp: lacking(mcpScopes) } : {}),
    ...(lacks(manageScopes) ? { management: lacking(manageScopes) } : {}),
  };
}

function lacking(scopes: readonly string[]): Barred {
  return { message: `The token needs the scopes: ${scopes.join(' ')}`, scopes };
}
