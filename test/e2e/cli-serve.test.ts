import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { dragon } from '../support/cli.ts';
import { placeDatabase } from '../support/database-template.ts';
import { gatewayEnvironment } from '../support/gateway.ts';
import { until } from '../support/wait.ts';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

interface Started {
  readonly process: ChildProcess;
  readonly output: () => string;
  /** Base URL of the management API, once the gateway is ready. */
  readonly url: () => string | undefined;
}

/** Starts something that runs a gateway, on free ports and a folder of its own. */
async function start(context: TestContext, command: string, args: readonly string[]): Promise<Started> {
  const folder = await mkdtemp(join(tmpdir(), 'dragon-serve-'));
  // A first start in earnest is one way enough.
  if (command !== 'npm') await placeDatabase(folder);
  const child = spawn(command, args, {
    cwd: ROOT,
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: gatewayEnvironment(folder),
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (chunk: string) => {
      output += chunk;
    });
  }
  context.after(async () => {
    killGroup(child);
    await rm(folder, { recursive: true, force: true });
  });
  return {
    process: child,
    output: () => output,
    url: () => /"management":"(http[^"]+)"/.exec(output)?.[1],
  };
}

function killGroup(child: ChildProcess): void {
  try {
    process.kill(-child.pid!, 'SIGKILL');
  } catch {
    // Nothing of it is left.
  }
}

async function answers(url: string): Promise<boolean> {
  try {
    await fetch(new URL('/healthz', url));
    return true;
  } catch {
    return false;
  }
}

const WAYS: readonly [name: string, command: string, args: readonly string[]][] = [
  ['npm start', 'npm', ['start']],
  ['npx dragon serve', 'npx', ['dragon', 'serve']],
  ['dragon serve', process.execPath, ['bin/dragon.mjs', 'serve']],
];

for (const [name, command, args] of WAYS) {
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    test(`${name}: serves, and ${signal} to what was started stops the gateway too`, async (context) => {
      const started = await start(context, command, args);
      const url = await until(started.url, { what: `${name} to be ready`, timeoutMs: 60_000 });
      const { code, out } = await dragon(['server', 'list', '--json', '--management-url', url]);
      assert.deepEqual([code, out], [0, '[]\n']);

      const closed = once(started.process, 'close');
      // A terminal sends its Ctrl-C to all of the group; a shell that npx has put between passes nothing on.
      if (signal === 'SIGINT' && command === 'npx') process.kill(-started.process.pid!, signal);
      else started.process.kill(signal);
      await until(async () => !(await answers(url)), { what: 'the gateway to stop', timeoutMs: 30_000 });
      await closed;
      assert.match(started.output(), /"msg":"stopped"/);
    });
  }
}

test('a gateway that cannot start says why, and is exit code 78', async () => {
  const { code, err } = await dragon(['serve'], { env: { DRAGON_MCP_PORT: 'eighty' } });
  assert.equal(code, 78);
  assert.match(err, /^dragon: DRAGON_MCP_PORT: "eighty".*\n$/);
});
