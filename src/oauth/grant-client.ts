import type { OAuthClient } from '../db/oauth-record.ts';
import type { ClientGrant } from '../db/server-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

/** The client of a grant, as an authorization server is shown it. */
export function clientOf(
  { clientId, authMethod, clientSecret, privateKey }: ClientGrant,
  issuer: string,
): OAuthClient {
  return {
    issuer,
    clientId,
    authMethod,
    redirectUri: '',
    isConfigured: true,
    ...(clientSecret === undefined ? {} : { clientSecret }),
    ...(privateKey === undefined ? {} : { privateKey }),
  };
}

/** Why a grant has brought no token: LoginRequired where it was refused, else DownstreamUnavailable; both name the server. */
export function notGiven(serverName: string, { clientId }: ClientGrant, thrown: unknown): GatewayError {
  const { code, message } = GatewayError.from(thrown);
  const isRefused = code === Code.FailedPrecondition;
  const isUnknown = thrown instanceof GatewayError && 'error' in thrown && thrown.error === 'invalid_client';
  const hint = isUnknown ? `; check the client "${printable(clientId)}" and its secret or key` : '';
  return new GatewayError(
    isRefused ? Code.LoginRequired : Code.DownstreamUnavailable,
    `Server "${serverName}" gives the gateway no token: ${message}${hint}`,
    { cause: thrown },
  );
}

function printable(text: string): string {
  return text.replace(/[^\x20-\x7e]/g, '?').slice(0, 200);
}
