import type { Methods } from '../../ipc/port.ts';
import type { Allowances } from '../allowances.ts';
import type { CallJournal } from '../call-journal.ts';
import type { CatalogStore } from '../catalog-store.ts';
import type { Leases } from '../leases.ts';
import type { Members } from '../members.ts';
import type { RecordingStore } from '../recordings.ts';
import type { SessionStore } from '../session-store.ts';
import type { StreamLog } from '../stream-log.ts';

/** What a node has the primary do. Its bus goes other ways: see {@link BUS}. */
export const SESSIONS: Methods<SessionStore> = {
  create: true,
  load: true,
  peek: true,
  touch: true,
  unload: true,
  setLogLevel: true,
  setSubscription: true,
  claimLink: true,
  dropLink: true,
  delete: true,
  retire: true,
  list: true,
  find: true,
  nodesOf: true,
};

export const STREAMS: Methods<StreamLog> = {
  append: true,
  take: true,
  read: true,
  delivered: true,
  leave: true,
};

export const CALLS: Methods<CallJournal> = { write: true, takeOver: true };

export const CATALOGS: Methods<CatalogStore> = {
  read: true,
  write: true,
  keep: true,
  lastCheck: true,
  noteCheck: true,
};

export const LEASES: Methods<Leases> = { acquire: true, renew: true, release: true, holder: true };

export const MEMBERS: Methods<Members> = { beat: true, leave: true, list: true, isAlive: true };

export const ALLOWANCES: Methods<Allowances> = { take: true, hold: true };

export const RECORDINGS: Methods<RecordingStore> = { put: true, all: true, append: true, read: true };

/** Names of what goes over the channel for the bus. Messages are JSON text all the way. */
export const BUS = {
  /** To the primary: `(to, json)`; answered with whether somebody was listening. */
  send: 'bus.send',
  /** To the primary: `(json)`. */
  broadcast: 'bus.broadcast',
  /** To the primary: this node hears nothing more. */
  close: 'bus.close',
  /** To the node: `(json, from)`. */
  message: 'bus.message',
} as const;

export const PING = 'coordination.ping';
