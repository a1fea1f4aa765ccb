import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { dragonFor } from '../support/cli.ts';
import { type Gateway, startGateway } from '../support/gateway.ts';

const ADMIN = 'admin-key-0123456789abcdef0123456789abcdef';

let gateway: Gateway;
let run: ReturnType<typeof dragonFor>;

before(async () => {
  gateway = await startGateway({
    env: { DRAGON_AUTH: 'api-key', DRAGON_HOST: '127.0.0.1', DRAGON_ADMIN_API_KEY: ADMIN },
  });
  run = dragonFor(gateway);
});

after(async () => {
  await gateway?.stop();
});

/** Runs a command that has to work, with a key, and returns what it printed. */
async function ok(key: string, ...args: string[]): Promise<string> {
  const { code, out, err } = await run(args, { env: { DRAGON_API_KEY: key } });
  assert.equal(code, 0, `${args.join(' ')}\n${out}${err}`);
  return out;
}

test('a key from create to revoke', async () => {
  const key = (
    await ok(
      ADMIN,
      'key',
      'create',
      'kim’s',
      '--user',
      'kim',
      '--scope',
      'mcp',
      '--scope',
      'manage',
      '--expires',
      '90d',
    )
  ).trim();
  assert.match(key, /^drg_[0-9a-f]{20}_[\w-]{43}$/);
  assert.match(await ok(key, 'tools'), /^echo /m);
  assert.match(await ok(key, 'server', 'list'), /No servers yet/);
  const listed = await ok(ADMIN, 'key', 'list', '--user', 'kim');
  assert.match(listed, /kim’s +mcp,manage +until 20/);
  assert.doesNotMatch(listed, new RegExp(key.slice(-43)));
  const [id = ''] = /[0-9a-f]{20}/.exec(listed) ?? [];
  assert.equal(await ok(key, 'key', 'revoke', id), 'Revoked kim’s.\n');
  for (const args of [['tools'], ['server', 'list']]) {
    const { code, err } = await run(args, { env: { DRAGON_API_KEY: key } });
    assert.equal(code, 1);
    assert.match(err, /^dragon: .*DRAGON_API_KEY\n$/);
  }
  assert.match(await ok(ADMIN, 'key', 'list', '--user', 'kim'), /revoked/);
});

test('a key with roles', async () => {
  const key = (
    await ok(ADMIN, 'key', 'create', 'desk', '--user', 'lee', '--role', 'support', '--role', 'büro')
  ).trim();
  await ok(key, 'tools');
  assert.match(await ok(ADMIN, 'key', 'list', '--user', 'lee'), /desk +mcp +büro, support +good/);
  const { code, err } = await run(['key', 'create', 'x', '--role', 'admin', '--api-key', ADMIN]);
  assert.equal(code, 1);
  assert.match(err, /roles\[0\].*SCOPE_ADMIN gives/);
});

test('a key for scripts, and on the command line', async () => {
  const { code, out } = await run(['key', 'create', 'root', '--admin', '--json', '--api-key', ADMIN]);
  assert.equal(code, 0);
  const { key, apiKey } = JSON.parse(out);
  assert.deepEqual(apiKey.scopes, ['SCOPE_MCP', 'SCOPE_MANAGE', 'SCOPE_ADMIN']);
  await ok(key, 'key', 'list', '--user', 'anybody');
});

test('what cannot be is told', async () => {
  const cases: [string[], RegExp][] = [
    [['key', 'create', 'x', '--scope', 'root'], /--scope: expected mcp, manage, admin/],
    [['key', 'create', 'x', '--scope', 'mcp', '--admin'], /exclude each other/],
    [['key', 'create', 'x', '--expires', 'soon'], /--expires: expected a time/],
    [['key', 'list', '--api-key', 'a\nb'], /--api-key: this is not a key/],
  ];
  for (const [args, expected] of cases) {
    const { code, err } = await run(args);
    assert.deepEqual([args, code], [args, 2]);
    assert.match(err, expected);
  }
});
