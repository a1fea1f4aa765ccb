import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { exportJWK, exportPKCS8, generateKeyPair } from 'jose';
import { DOCS, LoginSetup } from '../support/login-setup.ts';
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
    client = new RawClient(setup.gateway.mcpUrl);
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
  });

  const grant = (more: object = {}) => ({ grant: 'GRANT_CLIENT_CREDENTIALS', clientId, clientSecret, ...more });
  const call = () => client.callTool('docs__echo', { text: 'hi' });
  const works = async () => (await call()).text.includes('"text":"hi"');
  const requests = () => setup.provider.grants('client_credentials');

  it('is called with one, got for it and for the scopes that it wants, and nobody logs in', async () => {
    await until(works, { what: 'the call to work' });
    const [request] = requests();
    assert.equal(request?.form.get('resource'), setup.server.url);
    assert.equal(request?.form.get('scope'), 'mcp:use');
    assert.equal(requests().length, 1);
    assert.equal(await setup.state(), 'STATE_LOGGED_IN');
    await assert.rejects(setup.gateway.manage('LoginMcpServer', DOCS), /Nobody need log in/);
  });
});
