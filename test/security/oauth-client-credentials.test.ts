import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose';
import { LoginProvider } from '../support/login-provider.ts';
import { DOCS, LoginSetup, toolsOf } from '../support/login-setup.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

describe('a server whose tokens the gateway gets by itself', { timeout: 120_000 }, () => {
  let setup: LoginSetup;
  let client: RawClient;
  let clientId: string;
  let clientSecret: string;

  before(async () => {
    setup = await LoginSetup.start();
    const registered = await setup.provider.registerOwn();
    clientId = registered['client_id'] ?? '';
    clientSecret = registered['client_secret'] ?? '';
    await setup.gateway.addServer({ name: 'docs', url: setup.server.url, oauth: grant() });
    client = new RawClient(setup.gateway.mcpUrl, { capabilities: { elicitation: { url: {} } } });
    await client.initialize();
  });

  after(async () => {
    client?.close();
    await setup?.stop();
  });

  beforeEach(() => {
    setup.provider.intercept = () => false;
    setup.provider.tokenSeconds = 3600;
    setup.server.isRejecting = false;
    setup.server.authorizationServer = undefined;
  });

  const grant = (more: object = {}) => ({
    grant: 'GRANT_CLIENT_CREDENTIALS',
    clientId,
    clientSecret,
    ...more,
  });
  const change = (oauth: object | undefined) =>
    setup.gateway.manage('UpdateMcpServer', { ...DOCS, changes: { oauth }, updateMask: 'oauth' });
  const call = () => client.callTool('docs__echo', { text: 'hi' });
  const works = async () => (await call()).text.includes('"text":"hi"');
  const requests = () => setup.provider.grants('client_credentials');
  const isRevoked = (token: string) =>
    until(async () => (await setup.provider.find(token)) === undefined, { what: 'the token to be revoked' });
  const isCalled = () => until(works, { what: 'the call to work' });

  /** Nobody is sent anywhere. */
  async function failure(): Promise<string> {
    const { error } = (await call()).message ?? {};
    assert.ok(error !== undefined && error.code !== -32042, JSON.stringify(error));
    assert.doesNotMatch(JSON.stringify(error), /oauth\/login|server login/);
    return error.message;
  }

  it('is called with one, got for it and for the scopes that it wants, and nobody logs in', async () => {
    await isCalled();
    const [request] = requests();
    assert.equal(request?.form.get('resource'), setup.server.url);
    assert.equal(request?.form.get('scope'), 'mcp:use');
    assert.equal(requests().length, 1);
    assert.equal(await setup.state(), 'STATE_LOGGED_IN');
    await assert.rejects(setup.gateway.manage('LoginMcpServer', DOCS), /Nobody need log in/);
  });

  it('is shown without the secret', async () => {
    const { server } = await setup.gateway.manage('GetMcpServer', DOCS);
    assert.deepEqual((server as { oauth: object }).oauth, {
      grant: 'GRANT_CLIENT_CREDENTIALS',
      clientId,
      clientSecretSet: true,
      tokenEndpointAuthMethod: 'AUTH_METHOD_CLIENT_SECRET_BASIC',
    });
    assert.ok(!JSON.stringify(server).includes(clientSecret));
  });

  it('is called with the next before the last ends', async () => {
    setup.provider.tokenSeconds = 4;
    await setup.gateway.manage('LogoutMcpServer', DOCS);
    await isCalled();
    const [before, from] = [requests().length, setup.server.seen.length];
    await until(async () => (await works()) && requests().length > before, { what: 'the next' });
    const sent = setup.server.seen.slice(from).filter(({ method }) => method !== 'ping');
    assert.ok(sent.every(({ status }) => status === 'passed'));
  });

  it('is called once more with the next where it refuses the last, got once for all calls', async () => {
    await setup.gateway.manage('LogoutMcpServer', DOCS);
    await isCalled();
    const first = setup.server.token;
    const before = requests().length;
    await setup.server.endToken();
    const answers = await Promise.all(Array.from({ length: 8 }, call));
    assert.ok(answers.every(({ text }) => text.includes('"text":"hi"')));
    assert.equal(requests().length, before + 1);
    assert.notEqual(setup.server.token, first);
  });

  it('has one more got, and not one for each call, where it takes none at all', async () => {
    const before = requests().length;
    setup.server.isRejecting = true;
    for (let count = 0; count < 5; count++)
      assert.match(await failure(), /"docs" does not accept the token that its client has got/);
    assert.equal(requests().length, before + 1);
    setup.server.isRejecting = false;
    await isCalled();
  });

  it('has its token forgotten and revoked, and gets another with the next call', async () => {
    await setup.gateway.manage('LogoutMcpServer', DOCS);
    await isCalled();
    const { token } = setup.server;
    assert.ok(await setup.provider.find(token));
    assert.deepEqual(await setup.gateway.manage('LogoutMcpServer', DOCS), { revoked: true });
    assert.equal(await setup.provider.find(token), undefined);
    await isCalled();
    assert.notEqual(setup.server.token, token);
    await setup.server.endToken();
    assert.ok(await works());
  });

  it('fails by one clear error where the client is not known, and works when it is', async () => {
    const { token } = setup.server;
    await change(grant({ clientSecret: 'a-wrong-secret' }));
    await isRevoked(token);
    const message = await failure();
    assert.match(message, /Server "docs" gives the gateway no token: .* refused: invalid_client/);
    assert.ok(message.includes(`check the client "${clientId}"`), message);
    assert.equal(await setup.state(), 'STATE_NOT_REQUIRED');
    await change(grant());
    await isCalled();
    // The secret is kept where the same client comes without.
    await change({ ...grant({ clientSecret: '' }), scopes: ['mcp:more'] });
    await isCalled();
    assert.equal(requests().at(-1)?.form.get('scope'), 'mcp:more');
  });

  it('fails and tells so where the authorization server is away', async () => {
    await setup.gateway.manage('LogoutMcpServer', DOCS);
    setup.provider.intercept = ({ path }, response) => {
      if (path !== '/token') return false;
      response.writeHead(503).end();
      return true;
    };
    assert.match(await failure(), /Server "docs" gives the gateway no token: .*HTTP 503/);
    setup.provider.intercept = () => false;
    await isCalled();
  });

  it('may be one of a client that has a key, or sends its secret otherwise', async () => {
    const { privateKey, publicKey } = await generateKeyPair('ES256', { extractable: true });
    const rsa = await generateKeyPair('PS256', { extractable: true });
    const kid = { kid: 'two', alg: 'PS256' };
    const keyed = { token_endpoint_auth_method: 'private_key_jwt' };
    const keys = [{ ...(await exportJWK(publicKey)), alg: 'ES256' }];
    const rsaKeys = [{ ...(await exportJWK(rsa.publicKey)), ...kid }];
    for (const [metadata, secret, shown] of [
      [{ ...keyed, jwks: { keys } }, await exportPKCS8(privateKey), 'AUTH_METHOD_PRIVATE_KEY_JWT'],
      [
        { ...keyed, jwks: { keys: rsaKeys } },
        JSON.stringify({ ...(await exportJWK(rsa.privateKey)), ...kid }),
        'AUTH_METHOD_PRIVATE_KEY_JWT',
      ],
      [{ token_endpoint_auth_method: 'client_secret_post' }, undefined, 'AUTH_METHOD_CLIENT_SECRET_POST'],
    ] as const) {
      const registered = await setup.provider.registerOwn(metadata);
      const { client_id: id = '', client_secret: given } = registered;
      const before = requests().length;
      const answer = await change({
        grant: 'GRANT_CLIENT_CREDENTIALS',
        clientId: id,
        ...(secret === undefined
          ? { clientSecret: given, tokenEndpointAuthMethod: shown }
          : { privateKey: secret }),
      });
      const shownOAuth = (answer['server'] as { oauth: Record<string, unknown> }).oauth;
      assert.equal(shownOAuth['tokenEndpointAuthMethod'], shown);
      if (secret !== undefined) assert.ok(!JSON.stringify(answer).includes(secret.slice(40, 80)));
      await isCalled();
      const [request] = requests().slice(before);
      assert.equal(request?.form.has('client_assertion'), secret !== undefined);
      assert.equal(request?.form.get('client_secret'), secret === undefined ? given : null);
    }
    await change(grant());
    await isCalled();
  });

  it('can not have the client’s secret sent to another authorization server', async (t) => {
    const other = await LoginProvider.start();
    t.after(() => other.close());
    setup.server.authorizationServer = other.issuer;
    await setup.server.endToken();
    assert.match(await failure(), /names the authorization server .*, and the client is for/);
    // Nor where the owner has named one, before any token.
    await change(grant({ issuer: setup.provider.issuer }));
    assert.match(await failure(), /names the authorization server .*, and the client is for/);
    assert.equal(other.grants('client_credentials').length, 0);
    setup.server.authorizationServer = undefined;
    // Where one was refused a moment ago, no other is asked for at once, unless somebody says so.
    await setup.gateway.manage('LogoutMcpServer', DOCS);
    await isCalled();
    await change(grant());
    await isCalled();
  });

  it('is logged in to again when its client is taken away', async () => {
    const { token } = setup.server;
    await change(undefined);
    await isRevoked(token);
    let last = '';
    const isInvited = async () => {
      last = (await call()).text;
      return last.includes('-32042');
    };
    await until(isInvited, { what: 'the call to ask for a log-in' }).catch(() => assert.fail(last));
    await change(grant());
    await isCalled();
    assert.ok((await toolsOf(client)).includes('docs__echo'));
    assert.ok(!setup.gateway.output.includes(clientSecret));
  });
});
