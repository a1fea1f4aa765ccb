/** A client session as every node must know it. JSON all through: a record is what survives serialisation. */
export interface StoredSession {
  readonly id: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly roles: readonly string[];
  /** The API key that it was opened with. */
  readonly keyId?: string;
  readonly protocolVersion: string;
  readonly clientInfo: Readonly<Record<string, unknown>>;
  readonly capabilities: Readonly<Record<string, unknown>>;
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** Signs what ids of the standalone stream's events say that no node could look up. Absent where an older node opened it. */
  readonly streamKey?: string;
}

/** The session that a client session has with one server, enough for any node to speak in it. */
export interface StoredLink {
  readonly serverId: string;
  /** Revision of the server's record that it was opened with. */
  readonly revision: number;
  /** The server's own session id; absent where the server gave none. */
  readonly sessionId?: string;
  /** `process`: there is nothing to it but that the session has one, wherever the process runs. */
  readonly transport: 'streamable' | 'sse' | 'process';
  /** What the server said in its handshake, as JSON. */
  readonly handshake: Readonly<Record<string, unknown>>;
}

export interface LoadedSession {
  readonly session: StoredSession;
  readonly logLevel: string | undefined;
  readonly links: readonly StoredLink[];
  /** Resource URIs the client has subscribed to, by server id. */
  readonly subscriptions: Readonly<Record<string, readonly string[]>>;
}

/** A session that has just ended: what it was, and the nodes that had loaded it. */
export interface EndedSession {
  readonly nodes: readonly string[];
  readonly loaded: LoadedSession;
}

/** Whose sessions are listed: a user's, or all of a tenant. */
export interface SessionsOf {
  readonly tenantId: string;
  readonly userId?: string;
}

/** A session as it is listed. */
export interface ListedSession {
  readonly session: StoredSession;
  /** What it is called by towards people. */
  readonly mark: string;
  /** Nodes that have loaded it. */
  readonly nodes: readonly string[];
  /** The node that holds its standalone stream; absent while its client is not connected. */
  readonly holder?: string;
  /** Milliseconds after which it is forgotten unless it is used meanwhile. */
  readonly leftMs: number;
}

export interface SessionList {
  /** At most as many as were asked for: those that have ended meanwhile are left out. */
  readonly items: readonly ListedSession[];
  /** The mark after which the next page begins; absent on the last. */
  readonly next?: string;
  /** On all pages; some of them may have ended. */
  readonly total: number;
}

/**
 * Sessions of all nodes. A session lives until it is deleted or nobody has touched it for `ttlMs`. Every method rejects
 * with Unavailable while the store is away. A record of an unknown future version is treated as unknown.
 */
export interface SessionStore {
  create(session: StoredSession, nodeId: string, ttlMs: number): Promise<void>;
  /** The session, and from now on this node is told when it ends. Undefined for one that is not there. */
  load(id: string, nodeId: string, ttlMs: number): Promise<LoadedSession | undefined>;
  /** The session as it stands, without having it in hand. */
  peek(id: string): Promise<LoadedSession | undefined>;
  /** Puts off the end of sessions that were used. Resolves with those of them that are gone. */
  touch(ids: readonly string[], ttlMs: number): Promise<readonly string[]>;
  /** This node has no use for the session any more. Resolves with whether it was the last that had loaded it. */
  unload(id: string, nodeId: string): Promise<boolean>;
  setLogLevel(id: string, level: string): Promise<void>;
  setSubscription(id: string, serverId: string, uri: string, on: boolean): Promise<void>;
  /**
   * Stores a link where none is stored, or where the stored one is `replaces` (compared by its session id). Resolves with
   * the link in force: the given one, or that of a node that was faster. Undefined when the session has ended.
   */
  claimLink(id: string, link: StoredLink, replaces: StoredLink | undefined): Promise<StoredLink | undefined>;
  dropLink(id: string, serverId: string): Promise<void>;
  /** Undefined where it was gone already. */
  delete(id: string): Promise<EndedSession | undefined>;
  /**
   * Deletes sessions that nobody has touched for so long that they would be forgotten within `withinMs`: about `limit` at
   * most, those first that would be forgotten first. Each is told to one caller only. One that is missed here is
   * forgotten in its time.
   */
  retire(withinMs: number, limit: number): Promise<readonly EndedSession[]>;
  /** A page of sessions in the order of their marks, from after the given one on. */
  list(of: SessionsOf, after: string | undefined, limit: number): Promise<SessionList>;
  /** The session of a tenant that has this mark. */
  find(tenantId: string, mark: string): Promise<ListedSession | undefined>;
  /** Nodes that have loaded the session. */
  nodesOf(id: string): Promise<readonly string[]>;
}
