type MemberState = 'joining' | 'ready' | 'draining' | 'gone';

/** A node of the cluster as it last described itself. */
export interface Member {
  readonly id: string;
  /** Where its MCP endpoint listens, `host:port`. */
  readonly address: string;
  readonly version: string;
  /** ISO 8601. */
  readonly started: string;
  readonly sessions: number;
  readonly streams: number;
  readonly state: MemberState;
  /** Milliseconds by which its clock is ahead of the store's; absent where it has none of its own. */
  readonly clockAheadMs?: number;
}

/** The nodes of the cluster. A node that has not beaten for `ttlMs` is gone; it stays listed as such for a few minutes. */
export interface Members {
  beat(member: Member, ttlMs: number): Promise<void>;
  /** A node that stops says so; nobody has to wait for its time to run out. */
  leave(nodeId: string): Promise<void>;
  list(): Promise<readonly Member[]>;
  isAlive(nodeId: string): Promise<boolean>;
}
