import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { Browser } from '../support/browser.ts';
import { DOCS, LoginSetup, toolsOf } from '../support/login-setup.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

const LOGIN_ADDRESS = /http:\/\/127\.0\.0\.1:\d+\/oauth\/login\/[\w-]{43}/;

describe('log-in to a server', { timeout: 120_000 }, () => {
  let setup: LoginSetup;

  before(async () => {
    setup = await LoginSetup.start();
    await setup.gateway.addServer({ name: 'docs', url: setup.server.url });
  });

  after(() => setup?.stop());

  it('is asked for, done in a browser, and ended', async (t) => {
    const { gateway, server, provider } = setup;
    const client = new RawClient(gateway.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    const told = client.stream();
    assert.ok(!(await toolsOf(client)).includes('docs__echo'));
    const report = await gateway.manage('TestMcpServer', DOCS);
    assert.match(JSON.stringify(report), /needs a log-in: dragon server login docs/);
    const listed = await gateway.manage('ListMcpServers');
    assert.match(JSON.stringify(listed), /needs a log-in: dragon server login docs/);
    assert.equal(await setup.state(), 'STATE_LOGGED_OUT');

    const url = await setup.loginUrl();
    assert.match(url, LOGIN_ADDRESS);
    assert.equal(new URL(url).origin, new URL(gateway.mcpUrl).origin);
    const page = await new Browser().open(url);
    assert.match(page.text, /You are logged in/);
    assert.equal(page.status, 200);
    assert.equal(await setup.state(), 'STATE_LOGGED_IN');
    const stream = await told;
    t.after(() => stream.close());
    assert.equal((await stream.next())?.method, 'notifications/tools/list_changed');
    await until(async () => (await toolsOf(client)).includes('docs__echo'), { what: 'the tools to appear' });
    const answer = await client.callTool('docs__echo', { text: 'hello' });
    assert.match(answer.text, /hello/);

    const token = server.token;
    assert.equal(await provider.whose(token), 'ann');
    assert.deepEqual(await gateway.manage('LogoutMcpServer', DOCS), { revoked: true });
    assert.equal(await provider.whose(token), undefined);
    assert.equal(await setup.state(), 'STATE_LOGGED_OUT');
    const actions = async () => {
      const { events = [] } = await gateway.manage('GetEventLog', { filter: { type: 'TYPE_LOGIN' } });
      return (events as { action: string; server: string }[]).map(
        ({ action, server }) => `${action} ${server}`,
      );
    };
    await until(async () => (await actions()).join() === 'logged_out docs,logged_in docs', {
      what: 'the events of the log-in',
    });
  });

  it('is asked for by a call: as a URL to open where the client can, in the text where it can not', async (t) => {
    const { gateway } = setup;
    await new Browser().open(await setup.loginUrl());
    const plain = new RawClient(gateway.mcpUrl);
    const able = new RawClient(gateway.mcpUrl, { capabilities: { elicitation: { url: {} } } });
    const modern = new ModernClient(gateway.mcpUrl, { capabilities: { elicitation: { url: {} } } });
    const plainModern = new ModernClient(gateway.mcpUrl);
    t.after(() => [plain, able, modern.raw, plainModern.raw].map((client) => client.close()));
    await Promise.all([plain.initialize(), able.initialize()]);
    await until(async () => (await toolsOf(plain)).includes('docs__echo'), { what: 'the tools' });
    for (const client of [modern, plainModern])
      assert.match((await client.callTool('docs__echo', { text: 'one' })).text, /one/);
    await gateway.manage('LogoutMcpServer', DOCS);

    const error = (await plain.callTool('docs__echo', { text: 'hi' })).message?.error;
    assert.match(error?.message ?? '', LOGIN_ADDRESS);
    const asked = (await able.callTool('docs__echo', { text: 'hi' })).message?.error;
    assert.equal(asked?.code, -32042);
    const elicitations: readonly { mode: string; url: string }[] = Object(asked?.data).elicitations;
    const [elicitation] = elicitations;
    assert.equal(elicitation?.mode, 'url');
    assert.match(elicitation?.url ?? '', LOGIN_ADDRESS);
    const plainError = (await plainModern.callTool('docs__echo', { text: 'hi' })).message?.error;
    assert.notEqual(plainError?.code, -32042);
    assert.match(plainError?.message ?? '', LOGIN_ADDRESS);
    const { result } = (await modern.callTool('docs__echo', { text: 'hi' })).message ?? {};
    assert.equal(result.resultType, 'input_required');
    const [[key, request]] = Object.entries(result.inputRequests) as [
      [string, { method: string; params: Record<string, string> }],
    ];
    assert.deepEqual([request.method, request.params['mode']], ['elicitation/create', 'url']);

    const declined = await modern.request('tools/call', {
      name: 'docs__echo',
      arguments: { text: 'hi' },
      inputResponses: { [key]: { action: 'decline' } },
    });
    assert.match(declined.message?.error?.message ?? '', /needs a log-in/);

    const page = await new Browser().open(request.params['url'] ?? '');
    assert.match(page.text, /You are logged in/);
    const retry = {
      name: 'docs__echo',
      arguments: { text: 'again' },
      inputResponses: { [key]: { action: 'accept' } },
    };
    assert.match((await modern.request('tools/call', retry)).text, /again/);
    for (const client of [plain, able])
      assert.match((await client.callTool('docs__echo', { text: 'again' })).text, /again/);
  });

  it('is asked for once more where a call takes more than the token may', async (t) => {
    const { gateway, server, provider } = setup;
    await new Browser().open(await setup.loginUrl());
    const client = new RawClient(gateway.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    await until(async () => (await toolsOf(client)).includes('docs__echo'), { what: 'the tools' });
    server.more = { text: 'secret', scope: 'mcp:more' };
    t.after(() => {
      server.more = undefined;
    });
    const refused = (await client.callTool('docs__echo', { text: 'secret' })).message?.error;
    const [url = ''] = LOGIN_ADDRESS.exec(refused?.message ?? '') ?? [];
    // What the token may do goes on meanwhile.
    assert.match((await client.callTool('docs__echo', { text: 'hello' })).text, /hello/);
    const page = await new Browser().open(url);
    assert.match(page.text, /You are logged in/);
    assert.match((await client.callTool('docs__echo', { text: 'secret' })).text, /"text":"secret"/);
    const token = server.token;
    const scopes = (await provider.provider.AccessToken.find(token))?.scope?.split(' ');
    assert.ok(scopes?.includes('mcp:use') && scopes.includes('mcp:more'), String(scopes));
  });

  it('is not asked for where a server has headers that say who calls', async () => {
    const { gateway, server } = setup;
    await gateway.addServer({ name: 'own', url: server.url, headers: { Authorization: 'Bearer own' } });
    const ref = { server: { name: 'own' } };
    assert.match(JSON.stringify(await gateway.manage('TestMcpServer', ref)), /check its headers/);
    assert.equal(server.seen.at(-1)?.authorization, 'Bearer own');
    assert.deepEqual(await gateway.manage('GetLoginStatusForMcpServer', ref), {
      state: 'STATE_NOT_REQUIRED',
    });
    await assert.rejects(gateway.manage('LoginMcpServer', ref), /authorization header of its own/);
  });
});
