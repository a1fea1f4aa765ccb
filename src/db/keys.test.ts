import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { chmod, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, it } from 'node:test';
import { Code, GatewayError } from '../protocol/errors.ts';
import { loadKeys } from './keys.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'dragon-keys-'));
});
afterEach(() => rm(folder, { recursive: true }));

const precondition = (message: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === Code.FailedPrecondition && message.test(error.message);

describe('keys of an embedded database', () => {
  it('are made once, for this user alone', async () => {
    const [made, ...others] = await loadKeys([], folder);
    assert.deepEqual(others, []);
    assert.equal((await stat(join(folder, 'key'))).mode & 0o777, 0o600);
    assert.deepEqual(await readdir(folder), ['key']);
    const [loaded] = await loadKeys([], folder);
    assert.ok(loaded && made?.equals(loaded));
  });

  it('are not made where one is configured', async () => {
    const configured = createSecretKey(randomBytes(32));
    assert.deepEqual(await loadKeys([configured], folder), [configured]);
    assert.deepEqual(await readdir(folder), []);
  });

  it('still open what they sealed after one is configured', async () => {
    const [made] = await loadKeys([], folder);
    const configured = createSecretKey(randomBytes(32));
    const keys = await loadKeys([configured], folder);
    assert.equal(keys.length, 2);
    assert.ok(keys[0]?.equals(configured));
    assert.ok(made && keys[1]?.equals(made));
  });

  for (const mode of [0o640, 0o604, 0o620, 0o644]) {
    it(`are refused when others can reach them: ${mode.toString(8)}`, async () => {
      await loadKeys([], folder);
      await chmod(join(folder, 'key'), mode);
      await assert.rejects(loadKeys([], folder), precondition(/key: run chmod 600.*DRAGON_DATA_DIR/));
    });
  }

  for (const content of ['', 'x', randomBytes(31).toString('base64')]) {
    it(`are refused when damaged, and left alone: ${JSON.stringify(content)}`, async () => {
      const file = join(folder, 'key');
      await writeFile(file, content, { mode: 0o600 });
      await assert.rejects(loadKeys([], folder), precondition(/damaged/));
      assert.equal(await readFile(file, 'utf8'), content);
    });
  }
});
