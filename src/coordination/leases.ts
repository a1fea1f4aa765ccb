/** Who owns something that can only live on one node. */
export interface Lease {
  readonly owner: string;
  /** Rises with every change of owner: what carries an older one is refused. */
  readonly token: number;
}

/** Owners by lease. A lease that is not renewed in time can be taken by another node. Rejects with Unavailable while the store is away. */
export interface Leases {
  /** This node's lease, or that of the node that holds it. Acquiring what one holds renews it and keeps the token. */
  acquire(resource: string, nodeId: string, ttlMs: number): Promise<Lease>;
  /** False: the lease is lost; another may hold it. */
  renew(resource: string, lease: Lease, ttlMs: number): Promise<boolean>;
  /** Does nothing where the lease is not held any more. */
  release(resource: string, lease: Lease): Promise<void>;
  holder(resource: string): Promise<Lease | undefined>;
}
