import type { Code } from '../protocol/errors.ts';

/** Names a catalog: what a server lists, under one revision of its record, to clients of one kind. */
export interface CatalogKey {
  readonly serverId: string;
  readonly revision: number;
  /** Digest of whose server it is and of what its clients can do. */
  readonly scope: string;
}

/** What came of asking a server. */
export interface ServerCheck {
  /** Milliseconds since the epoch. */
  readonly checkedAt: number;
  /** Absent where the server answered. */
  readonly error?: { readonly code: Code; readonly message: string };
  /** Since when it fails, milliseconds since the epoch. */
  readonly failingSince?: number;
}

/** The lists, packed. The same digest is the same lists. */
export interface CatalogBody {
  readonly digest: string;
  readonly bytes: Buffer;
}

export interface CatalogWrite {
  /** Token of the lease under which the server is watched: what an earlier watcher still writes is refused. */
  readonly token: number;
  readonly check: ServerCheck;
  /** What the clients can do for which it was asked. */
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** Absent where nothing is known; `private`: too large to be shared, so each node has to ask for itself. */
  readonly body?: CatalogBody | 'private';
}

export interface StoredCatalog {
  readonly token: number;
  /** Rises with each write, also after a loss of data. */
  readonly version: number;
  /** Undefined for what this node cannot use: it is private, or of a later form. */
  readonly content:
    | {
        readonly check: ServerCheck;
        /** Absent where nothing is known. */
        readonly digest?: string;
        /** Absent where the reader has the lists of this digest. */
        readonly bytes?: Buffer;
      }
    | undefined;
}

/** The last check of a server, whatever kind of client it was for. */
export interface StoredCheck {
  readonly revision: number;
  readonly check: ServerCheck;
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/**
 * What servers list, asked by one node and read by all. What nobody writes or keeps for `ttlMs` goes. Every method
 * rejects with Unavailable while the store is away.
 */
export interface CatalogStore {
  /** `known`: digest of the lists that the reader has. */
  read(key: CatalogKey, known: string | undefined): Promise<StoredCatalog | undefined>;
  /** Resolves with the version; undefined where a later watcher has written. */
  write(key: CatalogKey, catalog: CatalogWrite, ttlMs: number): Promise<number | undefined>;
  /** Puts off the end. False: it is gone. */
  keep(key: CatalogKey, ttlMs: number): Promise<boolean>;
  lastCheck(serverId: string): Promise<StoredCheck | undefined>;
  /** Notes a check that says nothing of the lists. Does nothing where there is one of a later revision. */
  noteCheck(serverId: string, check: StoredCheck, ttlMs: number): Promise<void>;
}
