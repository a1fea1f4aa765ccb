import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { recordingLogger } from '../../../test/support/fakes.ts';
import { Issuer } from '../../../test/support/issuer.ts';
import { Code, GatewayError } from '../../protocol/errors.ts';
import { findJwksUrl } from './discovery.ts';
import { fetchJson } from './fetch-json.ts';
import type { JwtIssuer } from './issuer.ts';
import { KeySet } from './key-set.ts';
import { JwtTokens } from './tokens.ts';

const AUDIENCE = 'https://dragon.example.com/mcp';

async function start(t: TestContext, changes: Partial<JwtIssuer> = {}) {
  const issuer = await Issuer.start();
  t.after(() => issuer.close());
  const described: JwtIssuer = {
    issuer: issuer.url,
    jwksUrl: undefined,
    audiences: [AUDIENCE],
    algorithms: ['RS256'],
    tokenType: undefined,
    tenant: 'acme',
    userClaim: ['sub'],
    rolesClaim: undefined,
    roles: {},
    defaultRole: 'user',
    mcpScopes: [],
    manageScopes: [],
    ...changes,
  };
  const logger = recordingLogger();
  const tokens = new JwtTokens({ issuers: [described], logger });
  const token = (claims = {}, options = {}) => issuer.token({ aud: AUDIENCE, ...claims }, options);
  return { issuer, tokens, token, logger };
}

const is = (code: Code) => (error: unknown) => {
  assert.ok(error instanceof GatewayError, String(error));
  assert.equal(error.code, code, error.message);
  return true;
};

test('claims say who it is, wherever the issuer puts them', async (t) => {
  const { tokens, token } = await start(t, {
    tenant: { claim: ['https://example.com/org'] },
    userClaim: ['email'],
    rolesClaim: ['realm', 'roles'],
    roles: { boss: 'admin', staff: 'user' },
    defaultRole: 'none',
    manageScopes: ['manage'],
  });
  const claims = { 'https://example.com/org': 'a.b', email: 'ann.lee@example.com' };
  const { principal, barred } = await tokens.identify(
    await token({ ...claims, realm: { roles: ['boss'] }, scp: ['other'] }),
  );
  assert.deepEqual(principal, { tenantId: 'a.b', userId: 'ann.lee@example.com', roles: ['admin', 'user'] });
  assert.deepEqual(barred, {
    management: { message: 'The token needs the scopes: manage', scopes: ['manage'] },
  });
  const staff = await tokens.identify(
    await token({ ...claims, realm: { roles: 'x staff' }, scope: 'x manage' }),
  );
  assert.deepEqual([staff.principal.roles, staff.barred], [['user'], {}]);
  await assert.rejects(
    tokens.identify(await token({ ...claims, realm: { roles: ['toString'] } })),
    is(Code.Forbidden),
  );
  await assert.rejects(tokens.identify(await token({ ...claims, realm: 'boss' })), is(Code.Forbidden));
});

test('a token is believed for a minute, or until it ends', async (t) => {
  const { tokens, token } = await start(t);
  const now = Math.floor(Date.now() / 1000);
  const short = await tokens.identify(await token({ exp: now + 20 }));
  assert.equal(short.until, (now + 30) * 1000);
  const long = await tokens.identify(await token({ exp: now + 3600 }));
  assert.ok(long.until <= Date.now() + 60_000);
});

test('its type is checked where one is named', async (t) => {
  const { tokens, token } = await start(t, { tokenType: 'at+jwt' });
  assert.ok(await tokens.identify(await token({}, { typ: 'at+jwt' })));
  await assert.rejects(tokens.identify(await token({}, { typ: 'JWT' })), is(Code.Unauthenticated));
  await assert.rejects(tokens.identify(await token()), is(Code.Unauthenticated));
});

test('its algorithm is one that is accepted, whatever its key could do', async (t) => {
  const { tokens, token } = await start(t, { algorithms: ['RS512', 'PS256', 'ES256'] });
  await assert.rejects(tokens.identify(await token()), (error) => {
    is(Code.Unauthenticated)(error);
    assert.match(String(error), /algorithm/);
    return true;
  });
});

test('keys that are known go on while the issuer is away; without any nobody is called a liar', async (t) => {
  const { issuer, tokens, token, logger } = await start(t);
  issuer.isDown = true;
  await assert.rejects(tokens.identify(await token()), (error) => {
    is(Code.Unavailable)(error);
    assert.ok(error instanceof GatewayError && (error.retryAfter ?? 0) > 0);
    return true;
  });
  assert.equal(logger.lines.length, 1);
  const other = await start(t);
  await other.tokens.identify(await other.token());
  other.issuer.isDown = true;
  assert.ok(await other.tokens.identify(await other.token({ sub: 'bob' })));
});

test('a key that is new is found; then the issuer is left alone for a while', async () => {
  let now = 0;
  const issuer = await Issuer.start();
  const load = () => fetchJson(`${new URL(issuer.url).origin}/realm/keys`);
  const failures: unknown[] = [];
  const keys = new KeySet({ load, onFailure: (error) => failures.push(error), now: () => now });
  const find = async (kid = issuer.jwk.kid ?? '') => {
    await keys.find({ alg: 'RS256', kid }, { payload: '', signature: '' });
  };
  try {
    await Promise.all([find(), find(), find()]);
    assert.equal(issuer.keysAsked, 1);
    await issuer.rotate();
    await assert.rejects(find(), { code: 'ERR_JWKS_NO_MATCHING_KEY' });
    assert.equal(issuer.keysAsked, 1);
    now += 30_000;
    await find();
    assert.equal(issuer.keysAsked, 2);

    issuer.isDown = true;
    now += 30_000;
    await assert.rejects(find('unknown'), is(Code.Unavailable));
    await assert.rejects(find('unknown'), is(Code.Unavailable));
    assert.equal(failures.length, 1);
    await find();
    now += 24 * 3_600_000;
    await assert.rejects(find(), is(Code.Unavailable), 'a key is not believed in for ever');
    issuer.isDown = false;
    now += 5_000;
    await find();
  } finally {
    await issuer.close();
  }
});

test('metadata is looked for in all places, and is nobody else’s', async () => {
  const issuer = 'https://idp.example.com/realm/';
  const asked: string[] = [];
  const found = (documents: Record<string, unknown>) =>
    findJwksUrl(issuer, async (url) => {
      asked.push(url);
      if (!(url in documents)) throw new Error('404');
      return documents[url];
    });
  const jwks_uri = 'https://keys.example.com/set';
  const last = 'https://idp.example.com/.well-known/openid-configuration/realm';
  assert.equal(await found({ [last]: { issuer, jwks_uri } }), jwks_uri);
  assert.deepEqual(asked, [
    'https://idp.example.com/.well-known/oauth-authorization-server/realm',
    'https://idp.example.com/realm/.well-known/openid-configuration',
    last,
  ]);
  await assert.rejects(found({}), /404/);
  await assert.rejects(
    found({ [last]: { issuer: 'https://idp.example.com/realm', jwks_uri } }),
    /another issuer/,
  );
  await assert.rejects(found({ [last]: { issuer } }), /no jwks_uri/);
  await assert.rejects(found({ [last]: { issuer, jwks_uri: 'http://keys.example.com/set' } }), /without TLS/);
});

test('a document that has moved is not gone after, and one that does not end is not read', async (t) => {
  const asked: string[] = [];
  const http = createServer(({ url = '' }, response) => {
    asked.push(url);
    if (url === '/moved') response.writeHead(302, { location: '/keys' }).end();
    else if (url === '/keys') response.end('{"keys":[]}');
    else Readable.from(endless()).pipe(response);
  });
  http.listen(0, '127.0.0.1');
  await once(http, 'listening');
  t.after(() => {
    http.closeAllConnections();
    http.close();
  });
  const origin = `http://127.0.0.1:${(http.address() as AddressInfo).port}`;
  assert.deepEqual(await fetchJson(`${origin}/keys`), { keys: [] });
  await assert.rejects(fetchJson(`${origin}/moved`));
  assert.deepEqual(asked, ['/keys', '/moved']);
  await assert.rejects(fetchJson(`${origin}/endless`), /answered more than 1048576 bytes/);
});

/** Ends after all, so that whoever reads it to its end fails a test and not the machine. */
function* endless(): Generator<string> {
  yield '"';
  for (let count = 0; count < 100; count++) yield 'x'.repeat(65_536);
  yield '"';
}
