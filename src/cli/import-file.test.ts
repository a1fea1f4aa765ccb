import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type ImportEntry, readServersFile } from './import-file.ts';

const variables = { env: { TOKEN: 'secret' }, home: '/home/u' };
const read = (value: unknown) =>
  readServersFile(typeof value === 'string' ? value : JSON.stringify(value), variables);

function reasonOf(entry: ImportEntry | undefined): string {
  assert.ok(entry !== undefined && 'reason' in entry, `expected a reason: ${JSON.stringify(entry)}`);
  return entry.reason;
}

test('Claude Desktop and Cursor: mcpServers with commands and URLs', () => {
  const entries = read({
    mcpServers: {
      files: { command: 'npx', args: ['-y', 'pkg', 8080], env: { A: 'b', N: 1 }, cwd: '/w' },
      web: { url: 'http://x/mcp', headers: { Authorization: 'Bearer ${env:TOKEN}' } },
    },
  });
  assert.deepEqual(entries, [
    {
      name: 'files',
      server: {
        name: 'files',
        target: {
          kind: 'stdio',
          command: 'npx',
          args: ['-y', 'pkg', '8080'],
          env: { A: 'b', N: '1' },
          cwd: '/w',
        },
      },
    },
    {
      name: 'web',
      server: {
        name: 'web',
        target: { kind: 'http', url: 'http://x/mcp', headers: { Authorization: 'Bearer secret' } },
      },
    },
  ]);
});

test('VS Code: servers with types, comments and trailing commas, in mcp.json and in settings.json', () => {
  const servers = `{
    // reached over HTTP
    "web": { "type": "http", "url": "http://x/mcp", },
    /* a process */ "run": { "type": "stdio", "command": "run" },
  }`;
  for (const text of [
    `{"inputs": [], "servers": ${servers},}`,
    `{"mcp": {"servers": ${servers}}}`,
    `\uFEFF{"servers": ${servers}}`,
  ]) {
    const targets = read(text).map((entry) => 'server' in entry && entry.server.target);
    assert.deepEqual(targets, [
      { kind: 'http', url: 'http://x/mcp', headers: {} },
      { kind: 'stdio', command: 'run', args: [], env: {} },
    ]);
  }
});

test('what cannot be added has its reason, and the rest is not harmed', () => {
  const entries = read({
    mcpServers: {
      neither: {},
      both: { url: 'http://x', command: 'y' },
      asks: { command: 'x', env: { KEY: '${input:key}' } },
      file: { command: 'x', envFile: '.env' },
      text: 'http://x',
      wrong: { command: ['x'] },
      good: { command: 'x' },
    },
  });
  const reasons: [string, RegExp][] = [
    ['neither', /neither a url nor a command/],
    ['both', /both/],
    ['asks', /\$\{input:key\}/],
    ['file', /envFile/],
    ['text', /the entry: .*object/],
    ['wrong', /command: .*string/],
  ];
  for (const [name, reason] of reasons) {
    assert.match(reasonOf(entries.find((entry) => entry.name === name)), reason);
  }
  assert.deepEqual(
    entries.filter((entry) => 'server' in entry).map(({ name }) => name),
    ['good'],
  );
});

test('names become what the gateway accepts, and two that become the same do not mix', () => {
  const entries = read({
    mcpServers: {
      'my server (1)': { command: 'a' },
      'my/server/1': { command: 'b' },
      工具: { command: 'c' },
    },
  });
  assert.deepEqual(
    entries.map((entry) => 'server' in entry && entry.server.name),
    ['my-server-1', false, 'server'],
  );
  assert.match(reasonOf(entries[1]), /my-server-1/);
  const long = read({ mcpServers: { ['x'.repeat(100)]: { command: 'a' } } })[0]!;
  assert.equal('server' in long && long.server.name.length, 64);
});

test('a disabled server is added disabled', () => {
  const [entry] = read({ mcpServers: { off: { command: 'a', disabled: true } } });
  assert.equal(entry !== undefined && 'server' in entry && entry.server.enabled, false);
});

test('a file that is none is a usage error that tells the line', () => {
  assert.throws(() => read('{\n"mcpServers": {\n'), { exitCode: 2, message: /line 3/ });
  for (const text of ['', 'null', '[]', '{}', '{"mcpServers": []}', '{"mcpServers": null}', '"mcpServers"']) {
    assert.throws(() => read(text), { exitCode: 2 }, text);
  }
});

test('__proto__ as a server, or in one, changes no prototype', () => {
  const entries = read(
    '{"mcpServers": {"__proto__": {"command": "evil"}, "a": {"command": "x", "env": {"__proto__": "y"}}}}',
  );
  assert.deepEqual(
    entries.map(({ name }) => name),
    ['__proto__', 'a'],
  );
  assert.equal(Object.hasOwn(Object.prototype, 'command'), false);
});
