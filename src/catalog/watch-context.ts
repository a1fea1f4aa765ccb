import type { Leases } from '../coordination/leases.ts';
import type { Logger } from '../telemetry/types.ts';

/** What a shared watch needs of its node and of the others. `id` names the watch, the same on every node. */
export interface WatchContext {
  readonly nodeId: string;
  readonly leases: Leases;
  /** Milliseconds for which a watcher is not renewed before another node takes over. */
  readonly leaseTtlMs: number;
  readonly logger: Logger;
  /** Whether a node is there, as far as is known. */
  isAlive(nodeId: string): boolean;
  /** Tells all nodes that a catalog has been written. */
  written(id: string, version: number): void;
  /** Tells all nodes that this one watches no more. */
  released(id: string): void;
  /** Tells the node that watches that a list is another. Resolves with whether it was there. Rejects while the bus is away. */
  tellChanged(id: string, nodeId: string): Promise<boolean>;
  /** Has the node that watches ask the server. Resolves with the version of what it wrote; undefined where it did not. */
  askRefresh(id: string, nodeId: string, signal: AbortSignal): Promise<number | undefined>;
}

/** The resource of the lease of a watch. */
export function leaseOf(id: string): string {
  return `watch:${id}`;
}
