import type { Owner } from '../auth/principal.ts';

/** How a client shows the authorization server who it is (RFC 7591, token_endpoint_auth_method). */
export type ClientAuthMethod = 'none' | 'client_secret_basic' | 'client_secret_post' | 'private_key_jwt';

/** The gateway as a client of an authorization server. */
export interface OAuthClient {
  /** Of the authorization server that knows it; means nothing to any other. */
  readonly issuer: string;
  readonly clientId: string;
  readonly clientSecret?: string;
  /** PEM or JWK. */
  readonly privateKey?: string;
  readonly authMethod: ClientAuthMethod;
  /** It was registered for this address. */
  readonly redirectUri: string;
  /** Somebody has registered it: the gateway does not register another in its place. */
  readonly isConfigured?: boolean;
  /** Milliseconds since 1970; absent: the secret does not end. */
  readonly expiresAt?: number;
}

/** What is needed of an authorization server once a log-in is done. */
export interface TokenEndpoints {
  readonly issuer: string;
  readonly tokenEndpoint: string;
  readonly revocationEndpoint?: string;
}

/** What a log-in has brought, and all that renewing it takes. */
export interface OAuthTokens {
  /** The server's URL that it was made for: the tokens are sent nowhere else. */
  readonly url: string;
  /** Of the {@link ClientGrant} that has brought them; absent: a log-in has. They serve no other. */
  readonly grant?: string;
  readonly resource: string;
  readonly server: TokenEndpoints;
  readonly client: OAuthClient;
  readonly accessToken: string;
  readonly refreshToken?: string;
  /** Milliseconds since 1970; absent where the authorization server has not said. */
  readonly expiresAt?: number;
  /** All that were asked for or given. */
  readonly scopes: readonly string[];
  /** Milliseconds since 1970 at which the server last refused one that had just been renewed. */
  readonly rejectedAt?: number;
}

/** What a server said when it refused a request. */
export interface LoginChallenge {
  readonly resourceMetadata?: string;
  readonly scopes?: readonly string[];
}

/** A server that wants a log-in. */
export interface LoginRecord {
  /** The server's URL that it is about: of what the server is said to be since it says nothing. */
  readonly url: string;
  /** `needed`: there is none, or none any more. `expired`: there was one, and it can't be renewed. */
  readonly state: 'needed' | 'active' | 'expired';
  /** Rises with every change. */
  readonly version: number;
  readonly challenge?: LoginChallenge;
  /** Present exactly where the state is `active`. */
  readonly tokens?: OAuthTokens;
}

/** A log-in that somebody has been invited to. */
export interface Invitation {
  readonly owner: Owner;
  readonly serverId: string;
  /** To be asked for beside what else the server wants. */
  readonly scopes: readonly string[];
}

/** A log-in on its way through a browser. */
export interface PendingLogin {
  readonly url: string;
  readonly resource: string;
  readonly server: TokenEndpoints & { readonly issParameterSupported: boolean };
  readonly client: OAuthClient;
  /** The client was given by the operator or is the gateway's own document: there is nothing to register anew. */
  readonly isFixedClient: boolean;
  readonly verifier: string;
  /** What the browser has that began it. */
  readonly browser: string;
  readonly scopes: readonly string[];
  /** It was begun anew because the authorization server did not know the client any more. */
  readonly isSecondTry: boolean;
}

/**
 * Log-ins to servers, as stored: tokens, secrets and what a browser brings back are sealed, tickets and states hashed by
 * the caller. A server that is not the owner's has none. What does not open any more counts as not there.
 */
export interface LoginRepository {
  read(owner: Owner, serverId: string): Promise<LoginRecord | undefined>;
  /** Notes that the server wants a log-in at this URL. One that there is for it stays as it is, of another none is left. */
  noteChallenge(owner: Owner, serverId: string, url: string, challenge: LoginChallenge): Promise<void>;
  /** The new version; undefined where another is stored than `version`, or the server is gone. Without `version`: whatever is stored. */
  save(owner: Owner, serverId: string, tokens: OAuthTokens, version?: number): Promise<number | undefined>;
  /** Takes it on to renew this version, for so many milliseconds. False: somebody else has, or another is stored. */
  claim(owner: Owner, serverId: string, version: number, forMs: number): Promise<boolean>;
  /** Gives back what was claimed. */
  unclaim(owner: Owner, serverId: string, version: number): Promise<void>;
  /** Forgets tokens that are of no use any more. Does nothing where another version is stored. */
  expire(owner: Owner, serverId: string, version: number): Promise<void>;
  /** Forgets the tokens, and returns them. */
  forget(owner: Owner, serverId: string): Promise<OAuthTokens | undefined>;
  /** The tokens of all who are logged in to a server, whoever they are: for its end. `owner`: whose the server is. */
  ofServer(owner: Owner, serverId: string): Promise<readonly OAuthTokens[]>;
  /** Forgets what others than its owner have of a server, and returns their tokens. */
  forgetOthers(owner: Owner, serverId: string): Promise<readonly OAuthTokens[]>;
  client(owner: Owner, serverId: string, issuer: string): Promise<OAuthClient | undefined>;
  saveClient(owner: Owner, serverId: string, client: OAuthClient): Promise<void>;
  forgetClient(owner: Owner, serverId: string, issuer: string): Promise<void>;
  /** Also removes those that are too old. */
  invite(ticketHash: string, invitation: Invitation): Promise<void>;
  invitation(ticketHash: string): Promise<Invitation | undefined>;
  /** Begins an invitation's log-in, in place of one that was begun before. */
  begin(ticketHash: string, stateHash: string, login: PendingLogin): Promise<void>;
  /** A log-in that was begun, this once. */
  take(stateHash: string): Promise<(Invitation & { readonly login: PendingLogin }) | undefined>;
  /** Whether a log-in has been begun and may still come back. */
  isPending(owner: Owner, serverId: string): Promise<boolean>;
}

/** Milliseconds for which an invitation, and the log-in that it leads to, may be used. */
export const LOGIN_TTL_MS = 10 * 60 * 1000;
