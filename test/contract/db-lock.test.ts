import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { hostname, tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { lockDataFolder } from '../../src/db/data-lock.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragon-lock-'));
  file = join(folder, 'lock');
});
afterEach(() => rm(folder, { recursive: true }));

const here = { pid: process.pid, host: hostname(), token: 'theirs' };

/** A lock file of somebody else, last renewed so long ago. */
async function leave(content: unknown, ageSeconds = 0): Promise<void> {
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
  const time = Date.now() / 1000 - ageSeconds;
  await utimes(file, time, time);
}

function held(message: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof GatewayError, String(error));
    assert.equal(error.code, Code.FailedPrecondition);
    assert.match(error.message, message);
    assert.ok(error.message.includes(folder) && error.message.includes('DRAGON_DATA_DIR'), error.message);
    return true;
  };
}

async function isFree(): Promise<void> {
  const lock = await lockDataFolder(folder);
  assert.equal(JSON.parse(await readFile(file, 'utf8')).pid, process.pid);
  await lock.release();
  assert.deepEqual(await readdir(folder), []);
}

describe('the lock of a data folder', () => {
  it('is free, held, and free again', async () => {
    const lock = await lockDataFolder(folder);
    await assert.rejects(lockDataFolder(folder), held(new RegExp(`process ${process.pid}\\.`)));
    await lock.release();
    await isFree();
  });

  it('is waited for where its holder only looks', async () => {
    const look = await lockDataFolder(folder, 'look');
    const taken: string[] = [];
    const taking = lockDataFolder(folder).then((lock) => {
      taken.push('taken');
      return lock;
    });
    await delay(150);
    assert.deepEqual(taken, []);
    await look.release();
    await (await taking).release();
    await isFree();
    // Nobody waits for one that is gone.
    await leave({ ...here, pid: 2 ** 30, looks: true });
    await isFree();
  });

  it('is not released by who has lost it', async () => {
    const lock = await lockDataFolder(folder);
    await leave({ ...here, token: 'new' });
    await lock.release();
    assert.deepEqual(await readdir(folder), ['lock']);
  });

  it('is held by a process that runs', async () => {
    await leave({ ...here, pid: process.ppid }, 3600);
    await assert.rejects(lockDataFolder(folder), held(new RegExp(`process ${process.ppid}\\.`)));
  });

  it('is free when its process is gone', async () => {
    // Larger than any process id there is.
    await leave({ ...here, pid: 2 ** 30 });
    await isFree();
  });

  it('is free when another process has that id now', {
    skip: process.platform === 'linux' ? false : 'only Linux tells when a process started without a command',
  }, async () => {
    await leave({ ...here, startedTicks: '1' });
    await isFree();
  });

  it('is held on another host while it is renewed', async () => {
    await leave({ ...here, pid: 1, host: 'elsewhere' }, 20);
    await assert.rejects(lockDataFolder(folder), held(/on elsewhere.*start again in 30 seconds/));
  });

  it('is free when another host has stopped to renew it', async () => {
    await leave({ ...here, pid: 1, host: 'elsewhere' }, 40);
    await isFree();
  });

  for (const content of ['', '{"pid":', '{"pid":-1}', '42']) {
    it(`is held while it is being written, and not for long: ${JSON.stringify(content)}`, async () => {
      await leave(content);
      await assert.rejects(lockDataFolder(folder), held(/Another gateway uses/));
      await leave(content, 10);
      await isFree();
    });
  }

  it('is free when a start was killed while it took over', async () => {
    await leave({ ...here, pid: 2 ** 30 });
    const guard = join(folder, 'lock.takeover');
    await writeFile(guard, '');
    await assert.rejects(lockDataFolder(folder), held(/Another gateway uses/));
    const longAgo = Date.now() / 1000 - 10;
    await utimes(guard, longAgo, longAgo);
    await isFree();
  });

  it('goes to one of many who find it stale', async () => {
    for (let round = 0; round < 20; round++) {
      await leave({ ...here, pid: 2 ** 30 });
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => lockDataFolder(folder)));
      const won = results.filter((result) => result.status === 'fulfilled');
      assert.equal(won.length, 1);
      await won[0]?.value.release();
      assert.deepEqual(await readdir(folder), []);
    }
  });
});
