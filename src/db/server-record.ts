import type { Owner, Role } from '../auth/principal.ts';
import type { ClientAuthMethod } from './oauth-record.ts';

/** A server reached over HTTP. Header values are secrets: sealed at rest, never listed, never logged. */
export interface HttpTarget {
  readonly kind: 'http';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** How the gateway gets its tokens by itself; absent: by the log-in of somebody, where the server wants one. */
  readonly oauth?: ClientGrant;
}

/**
 * How the gateway gets tokens, as a client: `client_credentials` in its own right (RFC 6749, 4.4), `token_exchange` for the token
 * of each caller (RFC 8693). The secret and the key are secrets as header values are.
 */
export interface ClientGrant {
  readonly grant: 'client_credentials' | 'token_exchange';
  readonly clientId: string;
  readonly authMethod: Exclude<ClientAuthMethod, 'none'>;
  /** Present exactly where the method is one of a secret. */
  readonly clientSecret?: string;
  /** PEM or JWK, as it was given. Present exactly where the method is `private_key_jwt`. */
  readonly privateKey?: string;
  /** Empty: what the server asks for. */
  readonly scopes: readonly string[];
  /** The one authorization server that may come to see the client; absent: the one that the server names first. Present where tokens are exchanged. */
  readonly issuer?: string;
  /** Whom exchanged tokens are to be for; absent: for the server's URL. */
  readonly audience?: string;
}

/** A server that is a child process. Values of `env` are secrets, as header values are. */
export interface StdioTarget {
  readonly kind: 'stdio';
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** Working directory; the gateway's own when absent. */
  readonly cwd?: string;
}

export type ServerTarget = HttpTarget | StdioTarget;

/** The parts of a target that are sealed, each as one. */
export type SecretField = 'headers' | 'env' | 'oauth';

/** Time limits of a call, in milliseconds. What is absent is taken from the wider setting: tool, server, gateway. */
export interface CallTimeouts {
  /** Since the call or the last sign of life that belongs to it. */
  readonly idleMs?: number;
  /** In all, whatever progress is reported; not shorter than `idleMs`. */
  readonly totalMs?: number;
}

/** By the server's own name of the tool. */
export type ToolTimeouts = Readonly<Record<string, CallTimeouts>>;

/**
 * What a server was found to speak. `legacy`: MCP until 2025-11-25; `modern`: later versions, and perhaps the older ones, too;
 * `modern-only`: it keeps no sessions as the older ones have them.
 */
export type ServerEra = 'legacy' | 'modern' | 'modern-only';

/** Who may use a server beside its owner: everybody of the tenant, or who has one of these roles there. */
export type Sharing = { readonly tenant: true } | { readonly roles: readonly Role[] };

/** What an owner chooses about a server. */
export interface ServerSpec {
  /** Letters, digits, `-`, `_`; at most 64; unique per owner. */
  readonly name: string;
  readonly target: ServerTarget;
  /** Prefix of the public names of its tools and prompts; absent: the name; empty: none. */
  readonly toolPrefix?: string;
  readonly enabled: boolean;
  /** Absent: the gateway's. */
  readonly timeouts?: CallTimeouts;
  /** Absent: no tool has limits of its own. */
  readonly toolTimeouts?: ToolTimeouts;
  /** Absent: nobody else has it. */
  readonly sharedWith?: Sharing;
}

export interface ServerRecord extends ServerSpec {
  readonly id: string;
  /** Who uses it; whose it is unless there is a `lender`. */
  readonly owner: Owner;
  /** Whose it is, where that is somebody else. */
  readonly lender?: Owner;
  /** Order of registration among all servers: on a name collision the smaller keeps the plain name. */
  readonly ordinal: number;
  /** Absent where it was not asked yet, or its target has changed since. */
  readonly era?: ServerEra;
  /** Rises with every update; a cached connection of an older revision is dropped. */
  readonly revision: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /**
   * Why the stored secrets cannot be opened (a key is missing), for people. Such a record is without them
   * and counts as disabled, so that nobody connects without them; it can be removed, or given new ones.
   */
  readonly unreadable?: string;
  /** Which secrets these are; present where `unreadable` is. */
  readonly lost?: readonly SecretField[];
}

/** A change of some fields. `null` goes back to the default. */
export interface ServerPatch {
  /** Of the record that the change was worked out from; absent: whatever is stored is changed. */
  readonly revision?: number;
  readonly name?: string;
  readonly target?: ServerTarget;
  readonly toolPrefix?: string | null;
  readonly enabled?: boolean;
  readonly timeouts?: CallTimeouts | null;
  readonly toolTimeouts?: ToolTimeouts | null;
  readonly sharedWith?: Sharing | null;
}

export interface Page<T> {
  readonly items: readonly T[];
  /** Opaque; absent on the last page. */
  readonly nextPageToken?: string;
  readonly total: number;
}

export interface PageRequest {
  readonly pageSize: number;
  readonly pageToken?: string;
}

/**
 * Servers as stored. Every method takes the owner first: another owner's server is exactly like one that does not
 * exist (`NotFound`). A taken name is `AlreadyExists`; a bad page token is `InvalidArgument`.
 */
export interface ServerRepository {
  create(owner: Owner, spec: ServerSpec): Promise<ServerRecord>;
  get(owner: Owner, id: string): Promise<ServerRecord>;
  findByName(owner: Owner, name: string): Promise<ServerRecord>;
  /** All of an owner's servers in order of registration. */
  all(owner: Owner): Promise<readonly ServerRecord[]>;
  /** What is shared in a tenant, with whomever, in order of registration; each as its owner has it. */
  shared(tenantId: string): Promise<readonly ServerRecord[]>;
  /** A page in order of registration. */
  page(owner: Owner, request: PageRequest): Promise<Page<ServerRecord>>;
  /** `Conflict` where another revision is stored than the patch was worked out from. */
  update(owner: Owner, id: string, patch: ServerPatch): Promise<ServerRecord>;
  delete(owner: Owner, id: string): Promise<ServerRecord>;
  /** Writes down what a server was found to speak: no change of its own. Does nothing where another revision is stored. */
  noteEra(owner: Owner, id: string, revision: number, era: ServerEra): Promise<void>;
}

/** Servers of all owners, for what the gateway does by itself. Whoever asks for an owner uses {@link ServerRepository}. */
export interface EveryServer {
  /** Those that are enabled and reached over HTTP, by id. One whose secrets can't be read is among them, as not enabled. */
  enabledHttp(afterId: string | undefined, limit: number): Promise<readonly ServerRecord[]>;
}
