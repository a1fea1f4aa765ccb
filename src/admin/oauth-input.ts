import type { MessageInitShape } from '@bufbuild/protobuf';
import type { ClientGrant } from '../db/server-record.ts';
import {
  ServerOAuth_Grant as Grant,
  ServerOAuth_AuthMethod as Method,
  type OAuthClientGrant,
  type ServerOAuthSchema,
} from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { safeUrl } from '../oauth/guarded-fetch.ts';
import { readPrivateKey } from '../oauth/private-key.ts';
import { GatewayError } from '../protocol/errors.ts';
import { wrongField } from './field-paths.ts';

const METHODS = {
  client_secret_basic: Method.CLIENT_SECRET_BASIC,
  client_secret_post: Method.CLIENT_SECRET_POST,
  private_key_jwt: Method.PRIVATE_KEY_JWT,
} as const;

const KINDS: ReadonlyMap<Grant, ClientGrant['grant']> = new Map([
  [Grant.CLIENT_CREDENTIALS, 'client_credentials'],
  [Grant.TOKEN_EXCHANGE, 'token_exchange'],
]);

/**
 * How the gateway is to get tokens by itself; undefined for log-ins. `stored`: what there is, whose secret or key stays where the
 * same client comes without. Throws InvalidArgument for what does not go together.
 */
export function toClientGrant(
  given: OAuthClientGrant,
  path: string,
  stored?: ClientGrant,
): ClientGrant | undefined {
  const { grant, clientId, scopes, issuer, audience } = given;
  if (grant === Grant.UNSPECIFIED || grant === Grant.AUTHORIZATION_CODE) {
    const { $typeName: _, grant: __, ...rest } = given;
    const named = Object.values(rest).some((value) =>
      Array.isArray(value) ? value.length > 0 : Boolean(value),
    );
    if (named)
      throw wrongField(
        `${path}.grant`,
        'the client of a log-in is given to LoginMcpServer: name another grant',
      );
    return undefined;
  }
  const kind = KINDS.get(grant);
  if (kind === undefined) throw wrongField(`${path}.grant`, 'is none that the gateway knows');
  if (clientId === '') throw wrongField(`${path}.client_id`, 'must not be empty');
  const same = stored?.clientId === clientId ? stored : undefined;
  const isNew = given.clientSecret !== '' || given.privateKey !== '';
  const clientSecret = isNew ? given.clientSecret : (same?.clientSecret ?? '');
  const privateKey = isNew ? given.privateKey : (same?.privateKey ?? '');
  const authMethod = toMethod(given.tokenEndpointAuthMethod, privateKey !== '', path);
  checkIssuer(issuer, path);
  if (kind === 'token_exchange' && issuer === '')
    throw wrongField(`${path}.issuer`, "name the one authorization server that callers' tokens are sent to");
  if (kind !== 'token_exchange' && audience !== '')
    throw wrongField(`${path}.audience`, 'is for GRANT_TOKEN_EXCHANGE');
  const common = {
    grant: kind,
    clientId,
    authMethod,
    scopes: [...new Set(scopes)],
    ...(issuer === '' ? {} : { issuer }),
    ...(audience === '' ? {} : { audience }),
  } as const;
  if (authMethod === 'private_key_jwt') {
    if (clientSecret !== '')
      throw wrongField(`${path}.client_secret`, 'a client with a private key has no secret');
    checkKey(privateKey, path);
    return { ...common, privateKey };
  }
  if (privateKey !== '') throw wrongField(`${path}.private_key`, 'is for AUTH_METHOD_PRIVATE_KEY_JWT');
  if (clientSecret === '')
    throw wrongField(`${path}.client_secret`, 'give the secret or a private key of the client');
  return { ...common, clientSecret };
}

/** Without the secret and the key. */
export function grantMessage(grant: ClientGrant): MessageInitShape<typeof ServerOAuthSchema> {
  const { clientId, clientSecret, privateKey, authMethod, scopes, issuer = '', audience = '' } = grant;
  return {
    grant: grant.grant === 'token_exchange' ? Grant.TOKEN_EXCHANGE : Grant.CLIENT_CREDENTIALS,
    clientId,
    clientSecretSet: clientSecret !== undefined,
    privateKeySet: privateKey !== undefined,
    tokenEndpointAuthMethod: METHODS[authMethod],
    scopes: [...scopes],
    issuer,
    audience,
  };
}

function toMethod(method: Method, hasKey: boolean, path: string): ClientGrant['authMethod'] {
  switch (method) {
    case Method.UNSPECIFIED:
      return hasKey ? 'private_key_jwt' : 'client_secret_basic';
    case Method.CLIENT_SECRET_BASIC:
      return 'client_secret_basic';
    case Method.CLIENT_SECRET_POST:
      return 'client_secret_post';
    case Method.PRIVATE_KEY_JWT:
      return 'private_key_jwt';
    default:
      throw wrongField(`${path}.token_endpoint_auth_method`, 'is none that the gateway knows');
  }
}

function checkIssuer(issuer: string, path: string): void {
  if (issuer === '') return;
  try {
    safeUrl(issuer);
  } catch (error) {
    throw wrongField(`${path}.issuer`, GatewayError.from(error).message);
  }
}

function checkKey(privateKey: string, path: string): void {
  if (privateKey === '') throw wrongField(`${path}.private_key`, 'must not be empty');
  try {
    readPrivateKey(privateKey);
  } catch (error) {
    throw wrongField(`${path}.private_key`, GatewayError.from(error).message);
  }
}
