import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { placeDatabase } from '../support/database-template.ts';
import { gatewayEnvironment } from '../support/gateway.ts';
import { MAIN } from '../support/main.ts';
import { UnreadyPostgres } from '../support/unready-postgres.ts';

/** Starts a gateway that cannot start: its exit code, and what it wrote to stderr. */
async function failToStart(t: TestContext, env: Readonly<Record<string, string>>) {
  const folder = await mkdtemp(join(tmpdir(), 'dragon-workers-'));
  await placeDatabase(folder);
  const child = spawn(process.execPath, [MAIN], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: gatewayEnvironment(folder, env),
  });
  t.after(async () => {
    child.kill('SIGKILL');
    await rm(folder, { recursive: true, force: true });
  });
  let errors = '';
  child.stdout.resume();
  child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
    errors += chunk;
  });
  const [code] = await once(child, 'close');
  return { code, errors };
}

describe('workers that cannot start end with the message of a single process, once', () => {
  async function same(t: TestContext, env: Readonly<Record<string, string>>, expected: RegExp) {
    const [alone, two] = await Promise.all([
      failToStart(t, { DRAGON_WORKERS: '1', ...env }),
      failToStart(t, { DRAGON_WORKERS: '2', ...env }),
    ]);
    assert.match(two.errors, expected);
    assert.deepEqual(two, alone);
    assert.equal(two.code, 78);
  }

  it('a setting that is not accepted', (t) => same(t, { DRAGON_PAGE_SIZE: 'x' }, /DRAGON_PAGE_SIZE/));

  it('a number of workers that is not one', async (t) => {
    const numbers = ['0', 'many'];
    for (const each of numbers.map((DRAGON_WORKERS) => failToStart(t, { DRAGON_WORKERS }))) {
      const { code, errors } = await each;
      assert.equal(code, 78);
      assert.match(errors, /DRAGON_WORKERS: .* expected auto, or a whole number from 1 to 64/);
    }
  });

  for (const setting of ['DRAGON_MCP_PORT', 'DRAGON_GRPC_PORT', 'DRAGON_MANAGEMENT_PORT']) {
    it(`a port that is in use: ${setting}`, async (t) => {
      const taken = createServer().listen(0, '127.0.0.1');
      await once(taken, 'listening');
      t.after(() => taken.close());
      const { port } = taken.address() as { port: number };
      await same(t, { [setting]: String(port) }, new RegExp(`^dragon: Port ${port} is in use.*\\n$`));
    });
  }

  it('a database that does not let it in', async (t) => {
    const refusal = { code: '28P01', message: 'password authentication failed' };
    const refusing = await UnreadyPostgres.start({ answer: () => refusal });
    t.after(() => refusing.close());
    const expected = new RegExp(`^dragon: The PostgreSQL at 127.0.0.1:${refusing.port} .*failed\\n$`);
    await same(t, { DATABASE_URL: refusing.at('postgres://127.0.0.1/none') }, expected);
  });

  it('a data folder that is no folder', (t) =>
    same(t, { DRAGON_DATA_DIR: '/dev/null/x' }, /^dragon: The data folder .*\n$/));

  it('an address that the machine does not have', (t) =>
    same(
      t,
      { DRAGON_HOST: '192.0.2.1', DRAGON_ALLOW_UNAUTHENTICATED: 'true' },
      /^dragon: .*192\.0\.2\.1.*\n$/,
    ));
});
