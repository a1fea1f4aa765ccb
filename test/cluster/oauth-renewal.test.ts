import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../support/browser.ts';
import { Cluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import { LoginProvider } from '../support/login-provider.ts';
import { DOCS } from '../support/login-setup.ts';
import { ProtectedServer } from '../support/protected-server.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

describe('a log-in that two nodes use', { timeout: 180_000 }, () => {
  let provider: LoginProvider;
  let backend: CountingServer;
  let server: ProtectedServer;
  let cluster: Cluster;

  before(async () => {
    provider = await LoginProvider.start();
    backend = await CountingServer.start();
    server = await ProtectedServer.start(backend.url, provider);
    cluster = await Cluster.start({ nodes: 2 });
    await cluster.nodes[0]!.addServer({ name: 'docs', url: server.url });
  });

  after(async () => {
    await cluster?.stop();
    await Promise.all([server?.close(), backend?.close(), provider?.close()]);
  });

  it('is done at one, and may come back at the other', async (t) => {
    const [one, two] = cluster.nodes;
    const url = String((await one!.manage('LoginMcpServer', DOCS))['url']);
    const browser = new Browser();
    const { url: back } = await browser.open(url, (to) => new URL(to).pathname === '/oauth/callback');
    // One host for a browser: its cookies are for both.
    const elsewhere = new URL(back);
    elsewhere.port = new URL(two!.mcpUrl).port;
    const page = await browser.carry(new URL(back).origin, elsewhere.origin).open(elsewhere.href);
    assert.match(page.text, /You are logged in/);
    const clients = cluster.nodes.map(({ mcpUrl }) => new RawClient(mcpUrl));
    t.after(() => clients.map((client) => client.close()));
    for (const client of clients) {
      await client.initialize();
      const works = async () => (await client.callTool('docs__echo', { text: 'hi' })).text.includes('"hi"');
      await until(works, { what: 'the tools at both nodes', timeoutMs: 30_000 });
    }
  });

  it('is renewed by one of them, and both have it', async (t) => {
    const clients = cluster.nodes.map(({ mcpUrl }) => new RawClient(mcpUrl));
    t.after(() => clients.map((client) => client.close()));
    for (const client of clients) {
      await client.initialize();
      await client.callTool('docs__echo', { text: 'hi' });
    }
    for (let round = 1; round <= 5; round++) {
      const { token } = server;
      const refused = () => server.seen.slice(from).filter(({ status }) => status === 401).length;
      const [from, before] = [server.seen.length, provider.grants('refresh_token').length];
      await server.endToken();
      // The first to ask gets no answer before both have been refused.
      provider.intercept = async ({ path }) => {
        if (path === '/token') await until(() => refused() >= 2, { what: 'both to be refused' });
        return false;
      };
      const answers = await Promise.all(
        clients.map((client) => client.callTool('docs__echo', { text: `round ${round}` })),
      );
      for (const { text } of answers) assert.match(text, new RegExp(`"round ${round}"`));
      assert.equal(provider.grants('refresh_token').length, before + 1);
      const passed = server.seen.slice(from).filter(({ status }) => status === 'passed');
      const tokens = new Set(passed.map(({ authorization }) => authorization));
      assert.equal(tokens.size, 1);
      assert.notEqual([...tokens][0], `Bearer ${token}`);
    }
  });

  it('is got once for both, where the gateway gets it by itself', async (t) => {
    const { client_id: clientId, client_secret: clientSecret } = await provider.registerOwn();
    const oauth = { grant: 'GRANT_CLIENT_CREDENTIALS', clientId, clientSecret };
    await cluster.nodes[0]!.addServer({ name: 'own', url: server.url, oauth });
    const clients = cluster.nodes.map(({ mcpUrl }) => new RawClient(mcpUrl));
    t.after(() => clients.map((client) => client.close()));
    const call = (client: RawClient) => client.callTool('own__echo', { text: 'hi' });
    const works = (client: RawClient) => async () => (await call(client)).text.includes('"hi"');
    for (const client of clients) {
      await client.initialize();
      await until(works(client), { what: 'the tools at both nodes', timeoutMs: 30_000 });
    }
    assert.equal(provider.grants('client_credentials').length, 1);
    await cluster.nodes[1]!.manage('LogoutMcpServer', { server: { name: 'own' } });
    for (const client of clients) await until(works(client), { what: 'the next token' });
    assert.equal(provider.grants('client_credentials').length, 2);
  });

  it('is ended at one, and is over at the other', async (t) => {
    const [one, two] = cluster.nodes;
    const client = new RawClient(two!.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    assert.match((await client.callTool('docs__echo', { text: 'hi' })).text, /"hi"/);
    await one!.manage('LogoutMcpServer', DOCS);
    const isOver = async () =>
      /needs a log-in/.test((await client.callTool('docs__echo', { text: 'hi' })).text);
    await until(isOver, { what: 'the other node to hear of it' });
  });
});
