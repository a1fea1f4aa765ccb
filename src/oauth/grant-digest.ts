import { createHash } from 'node:crypto';
import type { ClientGrant, HttpTarget } from '../db/server-record.ts';

type Target = HttpTarget | { readonly kind: 'stdio' | 'builtin' };

const digests = new WeakMap<ClientGrant, string>();

/** How the gateway gets a server's tokens by itself; undefined where somebody logs in. */
export function grantOf({ target }: { readonly target: Target }): ClientGrant | undefined {
  return target.kind === 'http' ? target.oauth : undefined;
}

/** Stands for a grant as a whole: a token that another has brought is not used. Undefined for log-ins. */
export function digestOf(grant: ClientGrant | undefined): string | undefined {
  if (grant === undefined) return undefined;
  const known = digests.get(grant);
  if (known !== undefined) return known;
  const { clientId, authMethod, clientSecret, privateKey, scopes, issuer } = grant;
  const parts = [grant.grant, clientId, authMethod, clientSecret, privateKey, scopes, issuer];
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
  digests.set(grant, digest);
  return digest;
}
