import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, it } from 'node:test';
import { HTTP_ANSWERS, startHostile } from './hostile-http.ts';
import { isRunning } from './processes.ts';
import { RawClient } from './raw-client.ts';
import type { Message } from './rpc.ts';
import { request, textOf } from './rpc.ts';
import type { StdioCommand } from './stdio-commands.ts';
import { echoStdio, hostileStdio } from './stdio-commands.ts';
import { until } from './wait.ts';

describe('hostile HTTP server', () => {
  async function call(behaviour: Parameters<typeof startHostile>[0]) {
    const hostile = await startHostile(behaviour);
    const client = new RawClient(hostile.url);
    try {
      assert.equal((await client.initialize()).status, 200);
      assert.equal((await client.request('tools/list')).status, 200);
      return await client.callTool('echo', { text: 'hi' }, { id: 7 });
    } finally {
      client.close();
      await hostile.close();
    }
  }

  it('is well-behaved when told so', async () => {
    assert.equal(textOf((await call('well')).message!), 'hi');
  });

  it('answers what is not MCP', async () => {
    assert.equal((await call('html')).headers['content-type'], 'text/html');
    assert.equal((await call('empty')).text, '');
    assert.equal((await call('wrong-id')).messages[0]!.id, 'not-7');
    assert.equal((await call('duplicate')).messages.length, 3);
    assert.equal((await call('status-404')).status, 404);
    await assert.rejects(call('invalid-json'), SyntaxError);
  });

  it('closes too early', async () => {
    for (const behaviour of ['reset', 'half-body', 'half-sse'] as const) {
      await assert.rejects(call(behaviour), { code: 'ECONNRESET' }, behaviour);
    }
  });

  for (const behaviour of HTTP_ANSWERS) {
    it(`answers all but the call well, and ends when told to: ${behaviour}`, async () => {
      const hostile = await startHostile(behaviour);
      const client = new RawClient(hostile.url);
      assert.equal((await client.initialize()).status, 200);
      assert.equal((await client.request('tools/list')).message!.result.tools[0].name, 'echo');
      const call = client.callTool('echo', { text: 'hi' }).catch(() => {});
      await until(() => hostile.server.last('tools/call'), { what: 'the call to arrive' });
      client.close();
      await hostile.close();
      await call;
    });
  }

  it('answers too much', async () => {
    assert.equal(textOf((await call('huge')).message!).length, 10 * 1024 * 1024);
    const hostile = await startHostile('endless-line');
    const client = new RawClient(hostile.url);
    await client.initialize();
    const stream = await client.postStream(request(1, 'tools/call', { name: 'echo' }));
    assert.equal(stream.status, 200);
    stream.close();
    client.close();
    await hostile.close();
  });
});

describe('stdio servers', () => {
  /** Handshake and one call; resolves with the lines on stdout and the exit code. */
  async function talk({ command, args }: StdioCommand) {
    const child = spawn(command, args, { stdio: ['pipe', 'pipe', 'ignore'] });
    const closed = once(child, 'close');
    child.stdin.on('error', () => {});
    const ask = (id: number, method: string, params: Record<string, unknown>) =>
      child.stdin.write(`${JSON.stringify(request(id, method, params))}\n`);
    ask(1, 'initialize', { protocolVersion: '2025-11-25', capabilities: {} });
    ask(2, 'tools/call', { name: 'echo', arguments: { text: 'hi' } });
    const lines: string[] = [];
    for await (const line of createInterface({ input: child.stdout })) {
      lines.push(line);
      if (lines.some((seen) => seen.includes('"id":2'))) child.stdin.end();
    }
    const [code] = await closed;
    return { lines, code };
  }

  const parsed = (lines: readonly string[]): Message[] => lines.map((line) => JSON.parse(line));

  it('answer and end with their stdin', async () => {
    const { lines, code } = await talk(echoStdio('one'));
    const [initialized, answer] = parsed(lines);
    assert.equal(initialized!.result.serverInfo.name, 'one');
    assert.equal(textOf(answer!), 'hi');
    assert.equal(code, 0);
  });

  it('crash, print garbage, or stop half way', async () => {
    assert.deepEqual(await talk(hostileStdio('crash-at-start')), { lines: [], code: 3 });
    assert.equal((await talk(hostileStdio('garbage'))).lines[0], 'Welcome to my server!');
    const half = await talk(hostileStdio('half-line'));
    assert.equal(half.code, 1);
    assert.throws(() => JSON.parse(half.lines.at(-1)!), SyntaxError);
    const once = await talk(hostileStdio('exit-after', 1));
    assert.equal(textOf(parsed(once.lines)[1]!), 'hi');
    assert.equal(once.code, 1);
  });

  it('outlive SIGTERM and the end of stdin, with a child of their own', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'dragon-hostile-'));
    const file = join(folder, 'pids');
    const { command, args } = hostileStdio('grandchild', file);
    // In a process group of its own, so that both can be ended together.
    const child = spawn(command, args, { stdio: ['pipe', 'ignore', 'ignore'], detached: true });
    const closed = once(child, 'close');
    const pids = await until(async () => (await readFile(file, 'utf8')).trim().split('\n').map(Number), {
      what: 'the process ids',
    });
    try {
      assert.equal(pids[0], child.pid);
      child.kill('SIGTERM');
      child.stdin.end();
      await assert.rejects(until(() => child.exitCode !== null, { what: 'an end', timeoutMs: 50 }));
      assert.ok(pids.every(isRunning));
    } finally {
      process.kill(-child.pid!, 'SIGKILL');
      await closed;
      await until(() => !pids.some(isRunning), { what: 'both to be gone' });
      await rm(folder, { recursive: true });
    }
  });
});
