import type { Allowances } from './allowances.ts';
import type { Bus } from './bus.ts';
import type { CallJournal } from './call-journal.ts';
import type { CatalogStore } from './catalog-store.ts';
import type { EventStream } from './event-stream.ts';
import type { Leases } from './leases.ts';
import type { Members } from './members.ts';
import type { RecordingStore } from './recordings.ts';
import type { SessionStore } from './session-store.ts';
import type { StreamLog } from './stream-log.ts';

/** What the nodes of a cluster share and say to each other. With the memory adapter the cluster is this process. */
export interface Coordination {
  readonly nodeId: string;
  readonly sessions: SessionStore;
  readonly streams: StreamLog;
  readonly calls: CallJournal;
  readonly bus: Bus;
  readonly catalogs: CatalogStore;
  readonly leases: Leases;
  readonly members: Members;
  /** Absent where whoever has events stores them. */
  readonly events?: EventStream;
  readonly allowances: Allowances;
  readonly recordings: RecordingStore;
  /** Rejects with Unavailable unless the store answers and this node hears what others send it: for readiness. */
  ping(): Promise<void>;
  /** Closes the bus and lets go of the store: this node is to call nothing afterwards. */
  close(): Promise<void>;
}
