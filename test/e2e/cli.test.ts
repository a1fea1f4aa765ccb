import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { dragonFor } from '../support/cli.ts';
import { CountingServer } from '../support/counting-http.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';
import { echoStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

let gateway: Gateway;
let server: CountingServer;
let folder: string;
let run: ReturnType<typeof dragonFor>;

before(async () => {
  server = await CountingServer.start();
  gateway = await startGateway();
  folder = await mkdtemp(join(tmpdir(), 'dragon-cli-'));
  run = dragonFor(gateway);
});

after(async () => {
  await gateway?.stop();
  await server?.close();
  if (folder !== undefined) await rm(folder, { recursive: true, force: true });
});

/** Runs a command that has to work, and returns what it printed. */
async function ok(...args: string[]): Promise<string> {
  const { code, out, err } = await run(args);
  assert.equal(code, 0, `${args.join(' ')}\n${out}${err}`);
  return out;
}

/** Runs a command that has to work, and returns what it printed for scripts. */
async function json(...args: string[]) {
  return JSON.parse(await ok(...args, '--json'));
}

test('a server from add to remove', async () => {
  await ok('server', 'add', 'web', '--url', server.url, '--header', 'X-Key: s3cret');
  const shown = await ok('server', 'get', 'web');
  assert.match(shown, /^headers +X-Key$/im);
  assert.match(shown, new RegExp(`^url +${server.url}$`, 'm'));
  assert.doesNotMatch(shown, /s3cret/);
  assert.match(await ok('server', 'list'), /^web /m);

  assert.match(await ok('server', 'test', 'web'), /^web works\.$/m);
  assert.match(await ok('server', 'refresh', 'web'), /^Refreshed web: \d+ tools/);
  assert.equal(server.seen.at(-1)?.headers['x-key'], 's3cret');

  const changed = await json(
    'server',
    'update',
    'web',
    '--name',
    'net',
    '--tool-prefix',
    '',
    '--clear',
    'headers',
  );
  assert.deepEqual([changed.name, changed.toolPrefix, changed.headerNames], ['net', '', []]);
  assert.equal((await json('server', 'update', 'net', '--disable')).enabled, false);
  assert.equal(
    (await json('server', 'update', 'net', '--enable', '--clear', 'tool-prefix')).toolPrefix,
    'net',
  );

  await ok('server', 'remove', 'net');
  assert.deepEqual(await json('server', 'list'), []);
  const gone = await run(['server', 'get', 'net']);
  assert.equal(gone.code, 1);
  assert.match(gone.err, /^dragon: .+\n$/);
});

test('time limits are shown as they are given, changed and cleared', async () => {
  const times = ['--timeout', '90s', '--max-timeout', '30m'];
  const tools = ['--tool-timeout', 'slow=5m:1h', '--tool-timeout', 'hold=:2h'];
  await ok('server', 'add', 'limited', '--url', server.url, ...times, ...tools);
  const shown = await ok('server', 'get', 'limited');
  assert.match(shown, /^timeout +1m30s$/m);
  assert.match(shown, /^max timeout +30m$/m);
  assert.match(shown, /^tool timeouts +(slow=5m:1h, hold=:2h|hold=:2h, slow=5m:1h)$/m);

  const changed = await json('server', 'update', 'limited', '--timeout', '10s', '--tool-timeout', 'slow=1s');
  assert.deepEqual(changed.timeouts, { idle: '10s', total: '1800s' });
  assert.deepEqual(changed.toolTimeouts, { slow: { idle: '1s' } });
  const wrong = await run(['server', 'update', 'limited', '--timeout', '31m']);
  assert.equal(wrong.code, 1);
  assert.match(wrong.err, /idle \(1860000 ms\) must not be longer than total/);
  const most = await json('server', 'update', 'limited', '--clear', 'timeout', 'tool-timeouts');
  assert.deepEqual(most.timeouts, { total: '1800s' });
  assert.deepEqual(most.toolTimeouts, {});
  await ok('server', 'remove', 'limited');
});

test('tools are listed and called by their public names', async () => {
  await ok('server', 'add', 'tools', '--url', server.url);
  const names = (await json('tools')).map(({ name }: { name: string }) => name);
  assert.ok(names.includes('tools__echo') && names.includes('echo'), names.join(' '));
  const own = (await json('tools', '--server', 'tools')).map(({ name }: { name: string }) => name);
  assert.ok(own.includes('tools__echo') && !own.includes('echo'), own.join(' '));
  assert.match(await ok('tools'), /^tools__echo +Answers its text$/m);

  assert.equal(await ok('call', 'tools__echo', '{"text": "hello"}'), 'hello\n');
  await writeFile(join(folder, 'arguments.json'), '{"text": "from a file"}');
  const fromFile = await run(['call', 'tools__echo', '@arguments.json'], { cwd: folder });
  assert.equal(fromFile.out, 'from a file\n');
  const fromInput = await run(['call', 'tools__echo', '-', '--json'], { input: '{"text": "from input"}' });
  assert.equal(JSON.parse(fromInput.out).content[0].text, 'from input');

  const slow = await run(['call', 'tools__slow', '{"steps": 2}']);
  assert.deepEqual([slow.code, slow.out, slow.err], [0, '2 steps\n', '1/2\n2/2\n']);
  await ok('server', 'remove', 'tools');
});

test('a call that fails is exit code 1, whoever fails', async () => {
  await ok('server', 'add', 'bad', '--url', server.url);
  const failed = await run(['call', 'bad__fail']);
  assert.deepEqual([failed.code, failed.out], [1, 'It failed.\n']);
  assert.match(failed.err, /bad__fail failed/);
  const unknown = await run(['call', 'bad__nothing']);
  assert.equal(unknown.code, 1);
  assert.match(unknown.err, /^dragon: .*bad__nothing.*\n$/);
  await ok('server', 'remove', 'bad');
});

test('a server that is a process, given as one text or word by word', async () => {
  const { command, args } = echoStdio('cli');
  await ok('server', 'add', 'text', '--command', [command, ...args].map((word) => `"${word}"`).join(' '));
  await ok('server', 'add', 'words', '--env', 'A=s3cret', '--', command, ...args);
  const text = await json('server', 'get', 'text');
  const words = await json('server', 'get', 'words');
  assert.deepEqual([text.stdio.command, text.stdio.args], [command, [...args]]);
  assert.deepEqual(
    [words.stdio.command, words.stdio.args, words.stdio.envNames],
    [command, [...args], ['A']],
  );
  assert.match(await ok('server', 'test', 'words'), /works/);

  // What no option names stays: here the variables, while the command changes.
  const changed = await json('server', 'update', 'words', '--command', 'other "a b"');
  assert.deepEqual(changed.stdio, { command: 'other', args: ['a b'], envNames: ['A'], cwd: '' });
  const http = await json('server', 'update', 'words', '--url', server.url);
  assert.equal(http.url, server.url);
  const back = await json('server', 'update', 'words', '--command', 'run', '--env', 'B=c');
  assert.deepEqual(back.stdio, { command: 'run', args: [], envNames: ['B'], cwd: '' });
  for (const name of ['text', 'words']) await ok('server', 'remove', name);
});

test('a server that fails its test is exit code 1, with the reason', async () => {
  await ok('server', 'add', 'gone', '--', join(folder, 'no-such-program'));
  const { code, out } = await run(['server', 'test', 'gone']);
  assert.equal(code, 1);
  assert.match(out, /^gone fails after \d+ ms: .+/);
  await ok('server', 'remove', 'gone');
});

test('bad input names the field', async () => {
  const { code, err } = await run(['server', 'add', 'no good', '--url', server.url]);
  assert.equal(code, 1);
  assert.match(err, /^dragon: .*name.*\n$/);
});

test('import adds what it can and tells why it cannot', async () => {
  const file = join(folder, 'mcp.json');
  await writeFile(
    file,
    `{ // of an editor
      "servers": {
        "my web": { "type": "http", "url": "${server.url}", },
        "old": { "type": "sse", "url": "http://127.0.0.1:1/sse" },
        "both": { "url": "http://127.0.0.1:1", "command": "x" },
        "broken": { "url": "no url" },
      }
    }`,
  );
  const first = await run(['import', file]);
  assert.equal(first.code, 1, first.err);
  assert.match(first.out, /^my web +added +as my-web$/m);
  // The gateway finds out itself which of the two transports a server speaks.
  assert.match(first.out, /^old +added/m);
  assert.match(first.out, /^both +not added +.*both/m);
  assert.match(first.out, /^broken +not added +.*url/m);
  const again = await run(['import', file, '--json']);
  assert.equal(again.code, 1);
  const { added, notAdded } = JSON.parse(again.out);
  assert.deepEqual(added, []);
  assert.deepEqual(
    notAdded.map(({ from }: { from: string }) => from),
    ['my web', 'old', 'both', 'broken'],
  );
  assert.deepEqual(
    (await json('server', 'list')).map(({ name }: { name: string }) => name),
    ['my-web', 'old'],
  );
  await ok('server', 'remove', 'my-web');
  await ok('server', 'remove', 'old');

  const good = await run(['import', '-'], { input: `{"mcpServers": {"a": {"url": "${server.url}"}}}` });
  assert.equal(good.code, 0, good.err);
  await ok('server', 'remove', 'a');
});

test('a call whose gateway dies ends, and says that the outcome is unknown', async (context) => {
  const mortal = await startGateway();
  context.after(() => mortal.stop('SIGKILL'));
  const runThere = dragonFor(mortal);
  const added = await runThere(['server', 'add', 'web', '--url', server.url]);
  assert.equal(added.code, 0, added.err);
  const call = runThere(['call', 'web__hold']);
  await until(() => server.peer.held > 0, { what: 'the call to arrive' });
  await mortal.stop('SIGKILL');
  const { code, err } = await call;
  assert.equal(code, 1);
  assert.match(err, /^dragon: .*unknown\n$/);
});
