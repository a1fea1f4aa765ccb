import type { FetchJson } from './fetch-json.ts';

/**
 * Where an issuer has its keys, from its metadata (RFC 8414, 3; OpenID Connect Discovery, 4). Rejects where no metadata
 * is found, or where it is another issuer's.
 */
export async function findJwksUrl(issuer: string, fetchJson: FetchJson): Promise<string> {
  let failure: unknown;
  for (const url of metadataUrls(issuer)) {
    let metadata: unknown;
    try {
      metadata = await fetchJson(url);
    } catch (error) {
      failure ??= error;
      continue;
    }
    return jwksUrlIn(issuer, url, metadata);
  }
  throw failure;
}

/** OAuth puts its path in front of the issuer's, OpenID Connect behind it, and some do the latter as the former. */
function metadataUrls(issuer: string): readonly string[] {
  const { origin, pathname } = new URL(issuer);
  const path = pathname.replace(/\/$/, '');
  return [
    ...new Set([
      `${origin}/.well-known/oauth-authorization-server${path}`,
      `${origin}${path}/.well-known/openid-configuration`,
      `${origin}/.well-known/openid-configuration${path}`,
    ]),
  ];
}

function jwksUrlIn(issuer: string, url: string, metadata: unknown): string {
  const { issuer: named, jwks_uri: jwksUrl } = Object(metadata);
  if (named !== issuer) throw new Error(`${url} is the metadata of another issuer`);
  if (typeof jwksUrl !== 'string' || !URL.canParse(jwksUrl)) throw new Error(`${url} names no jwks_uri`);
  // Whoever can change keys on their way can sign tokens. Plain HTTP is for an issuer that is asked that way itself.
  if (!jwksUrl.startsWith('https:') && !(issuer.startsWith('http:') && jwksUrl.startsWith('http:')))
    throw new Error(`${url} names a jwks_uri without TLS`);
  return jwksUrl;
}
