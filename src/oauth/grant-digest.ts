import { createHash } from 'node:crypto';
import type { Owner } from '../auth/principal.ts';
import type { ClientGrant, HttpTarget } from '../db/server-record.ts';

type Target = HttpTarget | { readonly kind: 'stdio' | 'builtin' };

/** A server as somebody uses it. */
interface Used {
  readonly owner: Owner;
  /** Whose it is, where that is somebody else. */
  readonly lender?: Owner;
}

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
  const { clientId, authMethod, clientSecret, privateKey, scopes, issuer, audience } = grant;
  const parts = [grant.grant, clientId, authMethod, clientSecret, privateKey, scopes, issuer, audience];
  const digest = createHash('sha256').update(JSON.stringify(parts)).digest('base64url');
  digests.set(grant, digest);
  return digest;
}

/** Whose a server is, whoever uses it; and whose the gateway's client for it is: that of a shared server is the same for all. */
export function lenderOf({ owner, lender = owner }: Used): Owner {
  return lender;
}

/** Whose a server's tokens are in the database: those that the gateway gets by itself are the same for all who use it. */
export function holderOf(server: Used & { readonly target: Target }): Owner {
  return grantOf(server) === undefined ? server.owner : lenderOf(server);
}
