import type { Channel } from '../ipc/channel.ts';
import { type Methods, remotePort, servePort } from '../ipc/port.ts';
import type { Database } from './database.ts';

type Part = Pick<Database, 'addOwner' | 'ping' | 'reseal'>;

const SERVERS: Methods<Database['servers']> = {
  create: true,
  get: true,
  findByName: true,
  all: true,
  shared: true,
  page: true,
  update: true,
  delete: true,
  noteEra: true,
  enabledHttp: true,
};

const API_KEYS: Methods<Database['apiKeys']> = {
  create: true,
  find: true,
  page: true,
  revoke: true,
  noteUse: true,
};

const EVENTS: Methods<Database['events']> = {
  store: true,
  page: true,
  last: true,
  after: true,
  verify: true,
  maintain: true,
};

const LOGINS: Methods<Database['logins']> = {
  read: true,
  noteChallenge: true,
  save: true,
  claim: true,
  unclaim: true,
  expire: true,
  forget: true,
  ofServer: true,
  forgetOthers: true,
  client: true,
  saveClient: true,
  forgetClient: true,
  invite: true,
  invitation: true,
  begin: true,
  take: true,
  isPending: true,
};

const DATABASE: Methods<Part> = { addOwner: true, ping: true, reseal: true };

/**
 * The database of a worker, which the primary has open: an embedded one can be open once. Secrets go over the pipe between
 * the two processes and are sealed where they are stored. Closing it closes nothing.
 */
export function remoteDatabase(channel: Channel): Database {
  return {
    kind: 'embedded',
    servers: remotePort(channel, 'servers', SERVERS),
    apiKeys: remotePort(channel, 'api-keys', API_KEYS),
    events: remotePort(channel, 'events', EVENTS),
    logins: remotePort(channel, 'logins', LOGINS),
    ...remotePort(channel, 'database', DATABASE),
    close: async () => undefined,
  };
}

/** Has a worker use the database that this process has open. */
export function serveDatabase(channel: Channel, database: Database): void {
  servePort(channel, 'servers', SERVERS, database.servers);
  servePort(channel, 'api-keys', API_KEYS, database.apiKeys);
  servePort(channel, 'events', EVENTS, database.events);
  servePort(channel, 'logins', LOGINS, database.logins);
  servePort<Part>(channel, 'database', DATABASE, database);
}
