import type { OAuthTokens } from '../db/oauth-record.ts';
import type { Logger } from '../telemetry/types.ts';
import type { GuardedFetch } from './guarded-fetch.ts';

export interface RevocationOptions {
  readonly fetch: GuardedFetch;
  readonly logger: Logger;
}

const AT_A_TIME = 4;

/** Has the authorization server forget tokens of a server. False: it does not say that it has. */
export async function revoke(
  serverName: string,
  { server, client, accessToken, refreshToken }: OAuthTokens,
  { fetch, logger }: RevocationOptions,
): Promise<boolean> {
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

/** As {@link revoke}, a few at a time: there may be many, and all at one authorization server. */
export async function revokeAll(
  serverName: string,
  all: readonly OAuthTokens[],
  options: RevocationOptions,
): Promise<void> {
  const rest = all.values();
  const worker = async () => {
    for (const tokens of rest) await revoke(serverName, tokens, options);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
}
