/** What is protected, and who gives out tokens for it: RFC 9728, 2, as JSON. */
interface ResourceMetadata {
  readonly resource: string;
  readonly authorization_servers: readonly string[];
  readonly scopes_supported?: readonly string[];
  readonly bearer_methods_supported: readonly string[];
  readonly resource_name: string;
}

export interface PublishedMetadata {
  /** Where clients are told to look: the path stands between the host and that of the resource (RFC 9728, 3.1). */
  readonly url: string;
  /** Where it is served: at the same place, and at those where a proxy in front that takes a path away, or a client that guesses, asks for it. */
  readonly paths: readonly string[];
  readonly document: ResourceMetadata;
}

const WELL_KNOWN = '/.well-known/oauth-protected-resource';

/** The canonical URI of the MCP endpoint: what a token's audience names. */
export function resourceOf(publicUrl: string): string {
  return `${publicUrl}/mcp`;
}

/** `publicUrl`: of the gateway, without a slash at its end. `authorizationServers`: the first is asked by most clients. */
export function publishMetadata(
  publicUrl: string,
  authorizationServers: readonly string[],
  scopes: readonly string[],
): PublishedMetadata {
  const resource = resourceOf(publicUrl);
  const { origin, pathname } = new URL(resource);
  return {
    url: `${origin}${WELL_KNOWN}${pathname}`,
    paths: [...new Set([WELL_KNOWN, `${WELL_KNOWN}/mcp`, `${WELL_KNOWN}${pathname}`])],
    document: {
      resource,
      authorization_servers: authorizationServers,
      ...(scopes.length === 0 ? {} : { scopes_supported: scopes }),
      bearer_methods_supported: ['header'],
      resource_name: 'Dragon MCP Gateway',
    },
  };
}
