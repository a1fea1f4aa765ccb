import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { test } from 'node:test';
import { dragon, dragonHere } from '../support/cli.ts';

/** A port on which nobody listens any more. */
async function freePort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  assert.ok(typeof address === 'object' && address !== null);
  return String(address.port);
}

test('every command has help with an example', async () => {
  const commands = [
    [],
    ['serve'],
    ['server'],
    ...['add', 'list', 'get', 'update', 'remove', 'test', 'refresh'].map((name) => ['server', name]),
    ['import'],
    ['tools'],
    ['call'],
    ['config'],
  ];
  for (const command of commands) {
    const { code, out, err } = await dragonHere([...command, '--help']);
    assert.equal(code, 0, err);
    assert.match(out, new RegExp(`^Usage: dragon ${command.join(' ')}`));
    assert.match(out, /\nExamples:\n {2}\$ .*dragon /);
  }
});

test('a wrong command line is exit code 2 and one message', async () => {
  const cases: [string[], RegExp][] = [
    [['servr'], /unknown command 'servr'.*\n.*server/],
    [['server', 'add'], /missing required argument 'name'/],
    [['server', 'add', 'x'], /--url URL, --command/],
    [['server', 'add', 'x', '--url', 'http://a', '--command', 'b'], /--url URL, --command/],
    [['server', 'add', 'x', '--url', 'http://a', '--', 'b'], /--url URL, --command/],
    [['server', 'add', 'x', '--url', 'http://a', '--env', 'A=b'], /--env and --cwd/],
    [['server', 'add', 'x', '--command', 'b', '--header', 'A: b'], /--header is for/],
    [['server', 'add', 'x', '--command', 'b "c'], /quote/],
    [['server', 'add', 'x', '--url', 'http://a', '--timeout', '90'], /^dragon: --timeout: .*90s/],
    [['server', 'add', 'x', '--url', 'http://a', '--max-timeout', 'x'], /^dragon: --max-timeout: /],
    [['server', 'update', 'x', '--tool-timeout', 'search'], /--tool-timeout: .*search=5m:1h/],
    [['server', 'update', 'x', '--timeout', '1s', '--clear', 'timeout'], /--clear timeout/],
    [['server', 'update', 'x'], /nothing to change/],
    [['server', 'update', 'x', '--enable', '--disable'], /either --enable or --disable/],
    [['server', 'update', 'x', '--clear', 'name'], /--clear: expected one of/],
    [['call', 'echo', '{'], /arguments are not JSON/],
    [['call', 'echo', '[1]'], /must be a JSON object/],
    [['call', 'echo', '@/nowhere/at/all'], /cannot be read/],
    [['call', 'echo', '--timeout', '0'], /--timeout/],
    [['import', '/nowhere/at/all'], /cannot be read/],
    [['tools', '--mcp-url', 'localhost:8081'], /--mcp-url/],
  ];
  for (const [args, message] of cases) {
    const { code, out, err } = await dragonHere(args);
    assert.equal(code, 2, `${args.join(' ')}: ${err}`);
    assert.match(err, message);
    assert.match(err, /^dragon: /);
    assert.equal(out, '');
  }
});

test('no gateway is exit code 3, and says what to do', async () => {
  const env = { DRAGON_GRPC_PORT: await freePort(), DRAGON_MCP_PORT: await freePort() };
  for (const args of [['server', 'list'], ['tools'], ['call', 'echo'], ['import', '-']]) {
    const { code, err } = await dragonHere(args, { env, input: '{"servers": {"a": {"command": "b"}}}' });
    assert.equal(code, 3, err);
    assert.match(err, /^dragon: no gateway answers at http:\/\/127\.0\.0\.1:\d+.*npm start.*\n$/);
  }
});

test('an address that only flags can tell is asked for', async () => {
  const { code, err } = await dragon(['server', 'list'], { env: { DRAGON_GRPC_PORT: '0' } });
  assert.equal(code, 2);
  assert.match(err, /--management-url/);
});

test('config shows every setting and no secret', async () => {
  const env = { DATABASE_URL: 'postgres://user:s3cret@host/db', DRAGON_PAGE_SIZE: '7' };
  const human = await dragon(['config'], { env });
  assert.equal(human.code, 0, human.err);
  assert.match(human.out, /^DRAGON_PAGE_SIZE +7$/m);
  const json = await dragon(['config', '--json'], { env });
  assert.equal(JSON.parse(json.out).DRAGON_PAGE_SIZE, 7);
  for (const { out, err } of [human, json]) assert.doesNotMatch(out + err, /s3cret/);
});

test('a wrong setting is exit code 2 and is named', async () => {
  const { code, err } = await dragon(['config'], { env: { DRAGON_MCP_PROT: '1' } });
  assert.equal(code, 2);
  assert.match(err, /DRAGON_MCP_PROT.*DRAGON_MCP_PORT/);
});
