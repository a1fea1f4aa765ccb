import { readFileSync } from 'node:fs';
import type { MessageInitShape } from '@bufbuild/protobuf';
import type { Command } from 'commander';
import {
  ServerOAuth_AuthMethod as AuthMethod,
  ServerOAuth_Grant as Grant,
  type OAuthClientGrantSchema,
} from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { usageError } from './exit.ts';

/** How the gateway gets tokens for a server, as options give it. */
export interface OAuthOptions {
  readonly oauthGrant?: string;
  readonly oauthClientId?: string;
  readonly oauthClientSecret?: string;
  /** A file. */
  readonly oauthPrivateKey?: string;
  readonly oauthAuthMethod?: string;
  readonly oauthScope?: readonly string[];
  readonly oauthIssuer?: string;
  readonly oauthAudience?: string;
}

const OPTIONS = [
  [
    'oauthGrant',
    '--oauth-grant <grant>',
    "how the gateway gets tokens for it: client_credentials, token_exchange for callers' own, or authorization_code for log-ins",
  ],
  ['oauthClientId', '--oauth-client-id <id>', "the gateway's client at the server's authorization server"],
  ['oauthClientSecret', '--oauth-client-secret <secret>', 'its secret'],
  [
    'oauthPrivateKey',
    '--oauth-private-key <file>',
    'its private key in place of a secret, PEM (PKCS#8) or JWK',
  ],
  [
    'oauthAuthMethod',
    '--oauth-auth-method <method>',
    'how it shows who it is: client_secret_basic, client_secret_post or private_key_jwt',
  ],
  [
    'oauthScope',
    '--oauth-scope <scope...>',
    'what to ask for in place of what the server says that it wants',
  ],
  ['oauthIssuer', '--oauth-issuer <url>', 'the one authorization server that the client is used at'],
  ['oauthAudience', '--oauth-audience <name>', 'whom exchanged tokens are to be for, in place of the URL'],
] as const;

export function addOAuthOptions(command: Command): Command {
  for (const [, flags, description] of OPTIONS) command.option(flags, description);
  return command;
}

/** Undefined where no option is about it. */
export function oauthOf(options: OAuthOptions): OAuthOptions | undefined {
  return OPTIONS.some(([name]) => options[name] !== undefined) ? options : undefined;
}

/** Reads the file of the key. Throws a usage error for what is none of the words that there are. */
export function oauthMessage(options: OAuthOptions): MessageInitShape<typeof OAuthClientGrantSchema> {
  const { oauthPrivateKey: file } = options;
  return {
    grant: grantOf(options.oauthGrant),
    clientId: options.oauthClientId ?? '',
    clientSecret: options.oauthClientSecret ?? '',
    privateKey: file === undefined ? '' : contentOf(file),
    tokenEndpointAuthMethod: methodOf(options.oauthAuthMethod),
    scopes: [...(options.oauthScope ?? [])],
    issuer: options.oauthIssuer ?? '',
    audience: options.oauthAudience ?? '',
  };
}

function grantOf(word: string | undefined): Grant {
  switch (word) {
    case 'authorization_code':
      return Grant.AUTHORIZATION_CODE;
    case 'client_credentials':
      return Grant.CLIENT_CREDENTIALS;
    case 'token_exchange':
      return Grant.TOKEN_EXCHANGE;
    default:
      throw usageError('--oauth-grant: expected client_credentials, token_exchange or authorization_code');
  }
}

function methodOf(word: string | undefined): AuthMethod {
  switch (word) {
    case undefined:
      return AuthMethod.UNSPECIFIED;
    case 'client_secret_basic':
      return AuthMethod.CLIENT_SECRET_BASIC;
    case 'client_secret_post':
      return AuthMethod.CLIENT_SECRET_POST;
    case 'private_key_jwt':
      return AuthMethod.PRIVATE_KEY_JWT;
    default:
      throw usageError(
        '--oauth-auth-method: expected client_secret_basic, client_secret_post or private_key_jwt',
      );
  }
}

function contentOf(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unreadable';
    throw usageError(`--oauth-private-key: ${file} cannot be read (${reason})`);
  }
}
