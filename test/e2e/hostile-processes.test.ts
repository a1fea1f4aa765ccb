import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import type { StdioBehaviour } from '../support/hostile-stdio.ts';
import { listNames } from '../support/lists.ts';
import { forgetPeak, peakMemory } from '../support/memory.ts';
import { processesWith } from '../support/processes.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { echoStdio, hostileStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

const MIB = 1024 * 1024;

/** Above what it takes to read so many large answers at a time, far below what they would take without limits. */
const MAX_GROWTH = 1024 * MIB;

/** What is waited for in vain, and so not for long; all others get time enough on a busy machine. */
const NEVER_ANSWER: ReadonlySet<StdioBehaviour> = new Set(['hang', 'wrong-id', 'deaf']);

describe('gateway with a bad process', () => {
  let gateway: Gateway;
  let good: CountingServer;
  let client: RawClient;
  let memoryBefore: number;
  let count = 0;

  before(async () => {
    good = await CountingServer.start({ name: 'good' });
    gateway = await Gateway.start({
      env: {
        DRAGON_LIST_TIMEOUT_MS: '6000',
        DRAGON_STDIO_START_TIMEOUT_MS: '8000',
        DRAGON_MAX_DOWNSTREAM_MESSAGE_BYTES: String(16 * MIB),
      },
    });
    await gateway.addServer({ name: 'good', url: good.url });
    await gateway.addServer({ name: 'steady', stdio: echoStdio('steady') });
    client = new RawClient(gateway.mcpUrl);
    await client.initialize();
    await until(async () => (await listNames(client)).includes('steady__echo'), { what: 'the good process' });
    memoryBefore = await forgetPeak(gateway.process.pid!);
  });

  after(async () => {
    client?.close();
    await gateway?.stop();
    await good?.close();
  });

  /** A server that misbehaves, taken away after the test; and then its processes must be gone. */
  async function bad(t: TestContext, behaviour: StdioBehaviour, parameter?: string | number) {
    const mark = randomUUID();
    const stdio = { ...hostileStdio(behaviour, parameter), env: { DRAGON_TEST_MARK: mark } };
    const name = `${behaviour}-${++count}`;
    const timeouts = NEVER_ANSWER.has(behaviour) ? { timeouts: { idle: '1s' } } : {};
    const id = await gateway.addServer({ name, stdio, ...timeouts });
    t.after(async () => {
      await gateway.manage('DeleteMcpServer', { server: { id } });
      await until(() => processesWith(mark).length === 0, { what: `the end of ${name}` });
    });
    const health = async () => {
      const { server } = await gateway.manage('GetMcpServer', { server: { id } });
      return (server as { health: { state: string; error: string } }).health;
    };
    return { health, name, processes: () => processesWith(mark) };
  }

  const listed = (name: string) =>
    until(async () => (await listNames(client)).includes(`${name}__echo`), { what: `tools of ${name}` });

  /** Calls it, and the good ones meanwhile. */
  async function call(name: string) {
    const answer = client.callTool(`${name}__echo`, { text: 'hi' });
    for (const other of ['good', 'steady']) {
      const { message } = await client.callTool(`${other}__echo`, { text: 'fine' });
      assert.equal(textOf(message!), 'fine');
    }
    return (await answer).message!;
  }

  // Side by side: most of the time of a bad server is spent waiting for it.
  describe('of each kind', { concurrency: 6 }, () => {
    for (const behaviour of ['garbage', 'duplicate', 'ignore-sigterm'] as const) {
      it(`takes the answer for what it is: ${behaviour}`, async (t) => {
        const { name } = await bad(t, behaviour);
        await listed(name);
        for (let time = 0; time < 2; time++) {
          assert.equal(textOf(await call(name)), behaviour === 'duplicate' ? 'answer' : 'hi');
        }
      });
    }

    it('passes a result of 10 MB on', async (t) => {
      const { name } = await bad(t, 'huge');
      await listed(name);
      assert.equal(textOf(await call(name)).length, 10 * MIB);
    });

    it('reads what a server writes to stderr, however much', async (t) => {
      const { name } = await bad(t, 'noisy-stderr', MIB);
      await listed(name);
      assert.equal(textOf(await call(name)), 'hi');
      const logged = gateway.logged('downstream stderr').filter(({ server }) => server === name);
      assert.ok(logged.length < 2000, 'of a flood only a part is logged');
      assert.ok(
        logged.some(({ heldBack }) => Number(heldBack) > 0),
        'and how much is missing',
      );
    });

    const FAILED_CALLS: Partial<Record<StdioBehaviour, RegExp>> = {
      'exit-in-call': /exited with code 1/,
      'half-line': /exited with code 1/,
      'endless-line': /a line of more than 16777216 characters/,
      hang: /did not answer within 1000 ms/,
      'wrong-id': /did not answer within 1000 ms/,
      'close-stdout': /closed its stdout|exited with code/,
    };
    for (const [behaviour, reason] of Object.entries(FAILED_CALLS)) {
      it(`tells the caller whose fault it is: ${behaviour}`, async (t) => {
        const { name } = await bad(t, behaviour as StdioBehaviour);
        await listed(name);
        const { error } = await call(name);
        assert.ok(error?.message.startsWith(`Server "${name}" `), JSON.stringify(error));
        assert.match(error!.message, reason);
        assert.ok(
          (await listNames(client)).includes(`${name}__echo`),
          'its tools stay: the next call may go well',
        );
      });
    }

    const FAILED_STARTS: Partial<Record<StdioBehaviour, RegExp>> = {
      'crash-at-start': /exited with code 3; its last words: Cannot find my configuration/,
      'never-initialize': /did not answer within 8000 ms/,
      deaf: /did not answer within 6000 ms/,
      'list-fails': /tools\/list failed: Out of order/,
    };
    for (const [behaviour, reason] of Object.entries(FAILED_STARTS)) {
      it(`says why a server lists nothing: ${behaviour}`, async (t) => {
        const { name, health } = await bad(t, behaviour as StdioBehaviour);
        await until(async () => (await health()).state === 'STATE_FAILING', { what: 'its failure' });
        assert.match((await health()).error, reason);
        assert.ok(!(await listNames(client)).includes(`${name}__echo`));
        const { error } = await call(name);
        assert.ok(error?.message.startsWith(`Server "${name}"`), JSON.stringify(error));
      });
    }

    it('starts a server again that ends after each call', async (t) => {
      const { name } = await bad(t, 'exit-after', 1);
      await listed(name);
      for (let time = 0; time < 2; time++) {
        // The answer may be out before the end of its process is known.
        await until(async () => (await call(name)).result !== undefined, { what: 'an answer' });
      }
    });

    it('holds no more than it can for a server that does not read', async (t) => {
      const { name } = await bad(t, 'deaf', 'tools/call');
      await listed(name);
      const text = 'x'.repeat(3 * MIB);
      const errors = new Set<string>();
      for (let sent = 0; sent < 40; sent++) {
        const calls = Array.from({ length: 4 }, () => client.callTool(`${name}__echo`, { text }));
        const answers = await Promise.all(calls);
        for (const { message } of answers) errors.add(String(message!.error?.message));
        if ([...errors].some((error) => !error.includes('did not answer'))) break;
      }
      assert.ok(
        [...errors].some((error) => / does not read what it is sent$/.test(error)),
        [...errors].join(),
      );
    });

    it('ends a server with all that it started, though they will not', async (t) => {
      const folder = await mkdtemp(join(tmpdir(), 'dragon-grandchild-'));
      t.after(() => rm(folder, { recursive: true }));
      const { name, processes } = await bad(t, 'grandchild', join(folder, 'pids'));
      await listed(name);
      assert.equal(textOf(await call(name)), 'hi');
      assert.equal(processes().length, 2);
    });
  });

  it('survives it all, without a trace in its memory', async () => {
    const peak = await peakMemory(gateway.process.pid!);
    assert.ok(gateway.isRunning);
    assert.ok(peak - memoryBefore < MAX_GROWTH, `grew by ${Math.round((peak - memoryBefore) / MIB)} MiB`);
    assert.equal(textOf(await call('steady')), 'hi');
  });
});
