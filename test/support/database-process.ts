// Has an embedded database open for the process that has forked this one; see `database-elsewhere.ts`.
import { createSecretKey } from 'node:crypto';
import { type Database, openDatabase } from '../../src/db/database.ts';
import { serveDatabase } from '../../src/db/remote.ts';
import { Channel } from '../../src/ipc/channel.ts';
import { processWire } from '../../src/ipc/process-wire.ts';

let database: Database | undefined;
const channel = new Channel(processWire(process));
channel.serve('open', async (dataDir: string, keys: readonly Buffer[]) => {
  database = await openDatabase({ dataDir, encryptionKeys: keys.map((key) => createSecretKey(key)) });
  serveDatabase(channel, database);
});
process.on('disconnect', () => void database?.close());
