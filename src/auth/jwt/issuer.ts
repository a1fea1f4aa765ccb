import type { Role } from '../principal.ts';

/** The way to a claim: names of members, from the outermost. */
export type ClaimPath = readonly string[];

/** Who gives out tokens that are accepted, and what their claims mean. */
export interface JwtIssuer {
  /** As the token's `iss` has it, to the letter. */
  readonly issuer: string;
  /** Where its keys are; undefined: where its metadata says. */
  readonly jwksUrl: string | undefined;
  /** One of these has to be in the token's `aud`. */
  readonly audiences: readonly string[];
  /** Signature algorithms that are accepted; asymmetric ones. */
  readonly algorithms: readonly string[];
  /** The token's `typ` has to be this one; undefined: any. */
  readonly tokenType: string | undefined;
  /** The tenant of its users, or the claim that names it. */
  readonly tenant: string | { readonly claim: ClaimPath };
  readonly userClaim: ClaimPath;
  /** A list of texts, or one text with spaces between them; undefined: its users have no roles but `defaultRole`. */
  readonly rolesClaim: ClaimPath | undefined;
  /** What a role of the token is here. */
  readonly roles: Readonly<Record<string, Role>>;
  /** For a token without any of these; `none`: it is refused. */
  readonly defaultRole: 'user' | 'none';
  /** Scopes that a token needs, for the MCP port and for the management API. */
  readonly mcpScopes: readonly string[];
  readonly manageScopes: readonly string[];
}
