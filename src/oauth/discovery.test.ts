import assert from 'node:assert/strict';
import { test } from 'node:test';
import { discover } from './discovery.ts';
import type { GuardedFetch } from './guarded-fetch.ts';
import { discoverLogin } from './login-target.ts';

const SERVER = 'https://mcp.example/public/mcp';
const RESOURCE = { resource: SERVER, authorization_servers: ['https://as.example/tenant'] };
const METADATA = {
  issuer: 'https://as.example/tenant',
  authorization_endpoint: 'https://as.example/authorize',
  token_endpoint: 'https://as.example/token',
};

/** Answers what is there, and keeps what was asked for. */
function web(pages: Readonly<Record<string, unknown>>) {
  const asked: string[] = [];
  const fetch: GuardedFetch = async (url) => {
    asked.push(url);
    return new Response(JSON.stringify(pages[url]) ?? 'no', { status: url in pages ? 200 : 404 });
  };
  return { fetch, asked };
}

test('the places are asked in the order that the specification has', async () => {
  const { fetch, asked } = web({
    'https://mcp.example/.well-known/oauth-protected-resource': {
      ...RESOURCE,
      resource: 'https://mcp.example/',
    },
    'https://as.example/tenant/.well-known/openid-configuration': METADATA,
  });
  const found = await discover(SERVER, undefined, fetch);
  assert.equal(found?.server.token_endpoint, 'https://as.example/token');
  assert.equal(found?.resource, 'https://mcp.example/');
  assert.deepEqual(asked, [
    'https://mcp.example/.well-known/oauth-protected-resource/public/mcp',
    'https://mcp.example/.well-known/oauth-protected-resource',
    'https://as.example/.well-known/oauth-authorization-server/tenant',
    'https://as.example/.well-known/openid-configuration/tenant',
    'https://as.example/tenant/.well-known/openid-configuration',
  ]);
  const named = web({});
  const challenge = { resourceMetadata: 'https://mcp.example/there' };
  await assert.rejects(discover(SERVER, challenge, named.fetch), /names metadata that is not there/);
  assert.deepEqual(named.asked, ['https://mcp.example/there']);
  assert.equal(await discover(SERVER, undefined, web({}).fetch), undefined);
});

test('metadata that is for somebody else, or leads somewhere unsafe, is refused', async () => {
  const resource = 'https://mcp.example/.well-known/oauth-protected-resource/public/mcp';
  const server = 'https://as.example/.well-known/oauth-authorization-server/tenant';
  const cases: readonly [object, object, RegExp][] = [
    [{ resource: 'https://evil.example/public/mcp' }, {}, /for another server/],
    [{ resource: 'https://mcp.example/other' }, {}, /for another server/],
    [{ resource: 'https://mcp.example/public/mc' }, {}, /for another server/],
    [{ authorization_servers: [] }, {}, /names no authorization server/],
    [{ authorization_servers: ['http://as.example/tenant'] }, {}, /need https/],
    [{}, { issuer: 'https://as.example' }, /another issuer's/],
    [{}, { issuer: 'https://as.example/tenant/' }, /another issuer's/],
    [{}, { token_endpoint: 'http://as.example/token' }, /need https/],
    [{}, { authorization_endpoint: 'javascript:alert(1)' }, /need https|Not an address/],
    [{}, { token_endpoint: undefined }, /names no token endpoint/],
    [{}, { token_endpoint: 'https://user:secret@as.example/token' }, /Not an address/],
    [{}, { token_endpoint: 'https://user@as.example/token' }, /Not an address/],
    [{}, { token_endpoint: 'https://:secret@as.example/token' }, /Not an address/],
    [{ resource: `${SERVER}?x=1` }, {}, /for another server/],
    [{ resource: `${SERVER}#x` }, {}, /for another server/],
  ];
  for (const [one, two, problem] of cases) {
    const { fetch } = web({ [resource]: { ...RESOURCE, ...one }, [server]: { ...METADATA, ...two } });
    await assert.rejects(discover(SERVER, undefined, fetch), problem, JSON.stringify([one, two]));
  }
});

test('an issuer that is an origin is written with and without its slash, and is no other', async () => {
  const found = (issuer: string) =>
    discover(
      SERVER,
      undefined,
      web({
        'https://mcp.example/.well-known/oauth-protected-resource/public/mcp': {
          ...RESOURCE,
          authorization_servers: ['https://as.example'],
        },
        'https://as.example/.well-known/oauth-authorization-server': { ...METADATA, issuer },
      }).fetch,
    );
  for (const issuer of ['https://as.example', 'https://as.example/'])
    assert.equal((await found(issuer))?.server.issuer, issuer);
  for (const issuer of ['https://evil.example', 'https://as.example/tenant', 'https://as.example//', ''])
    await assert.rejects(found(issuer), /another issuer's/, issuer);
});

test('nobody logs in where there is no endpoint for it, or no PKCE', async () => {
  const safe = { ...METADATA, code_challenge_methods_supported: ['plain', 'S256'] };
  const login = (metadata: object) =>
    discoverLogin(
      SERVER,
      undefined,
      web({
        'https://mcp.example/.well-known/oauth-protected-resource/public/mcp': RESOURCE,
        'https://as.example/.well-known/oauth-authorization-server/tenant': metadata,
      }).fetch,
    );
  assert.equal((await login(safe)).server.issuer, 'https://as.example/tenant');
  const { authorization_endpoint: _, ...without } = safe;
  await assert.rejects(login(without), /names no endpoint to log in at/);
  await assert.rejects(login(METADATA), /PKCE/);
  await assert.rejects(discoverLogin(SERVER, undefined, web({}).fetch), /asks nobody to log in/);
});
