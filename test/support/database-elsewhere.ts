import { fork } from 'node:child_process';
import type { KeyObject } from 'node:crypto';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Database } from '../../src/db/database.ts';
import { remoteDatabase } from '../../src/db/remote.ts';
import { Channel } from '../../src/ipc/channel.ts';
import { processWire } from '../../src/ipc/process-wire.ts';

const PROCESS = fileURLToPath(new URL('database-process.ts', import.meta.url));

/** Opens an embedded database in another process, which ends when it is closed. */
export async function openElsewhere(dataDir: string, keys: readonly KeyObject[]): Promise<Database> {
  const process = fork(PROCESS, [], { serialization: 'advanced', execArgv: [] });
  const ended = once(process, 'exit');
  const channel = new Channel(processWire(process));
  await channel.call(
    'open',
    dataDir,
    keys.map((key) => key.export()),
  );
  return {
    ...remoteDatabase(channel),
    async close() {
      if (process.connected) process.disconnect();
      await ended;
    },
  };
}
