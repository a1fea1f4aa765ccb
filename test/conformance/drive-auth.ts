import assert from 'node:assert/strict';
import { Browser, type Page } from '../support/browser.ts';
import { manage } from '../support/gateway.ts';
import { listNames } from '../support/lists.ts';
import type { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

/** Scenarios in which there is nothing to log in to that a client may use: what is tried has to fail. */
const REFUSED: ReadonlySet<string> = new Set([
  'auth/resource-mismatch',
  'auth/iss-supported-missing',
  'auth/iss-wrong-issuer',
  'auth/iss-unexpected',
  'auth/iss-normalized',
  'auth/metadata-issuer-mismatch',
]);

/** A person tries no more often. */
const MAX_LOGINS = 3;

export interface AuthDrive {
  readonly scenario: string;
  readonly mcpUrl: string;
  readonly grpcUrl: string;
  readonly client: RawClient;
}

/** What a scenario has for the client alone. */
const context = () => JSON.parse(process.env['MCP_CONFORMANCE_CONTEXT'] ?? '{}');

/** How the gateway gets its tokens in scenarios in which nobody logs in. */
export function grantIn(scenario: string): object | undefined {
  if (!scenario.startsWith('auth/client-credentials-')) return undefined;
  const { client_id: clientId, client_secret: clientSecret, private_key_pem: privateKey } = context();
  return { grant: 'GRANT_CLIENT_CREDENTIALS', clientId, clientSecret, privateKey };
}

/** Calls the suite's tool, which nobody has to log in for. */
async function driveGrant(client: RawClient): Promise<void> {
  await until(async () => (await listNames(client)).includes('test-tool'), { what: 'the tools' });
  const { message } = await client.callTool('test-tool', {});
  assert.equal(message?.error, undefined);
}

/** Logs in with a browser where the gateway asks for it, and calls the suite's tool. */
export async function driveAuth({ scenario, mcpUrl, grpcUrl, client }: AuthDrive): Promise<void> {
  const server = { server: { name: 'suite' } };
  const { origin } = new URL(mcpUrl);
  let logins = 0;

  /** Authorization servers know the gateway by an address that leads here only in this driver. */
  async function logIn(url: string): Promise<Page> {
    logins++;
    const publicOrigin = new URL(url).origin;
    const browser = new Browser();
    const isBack = (to: string) => to.startsWith(`${publicOrigin}/oauth/callback`);
    const page = await browser.open(url.replace(publicOrigin, origin), isBack);
    return isBack(page.url) ? browser.open(page.url.replace(publicOrigin, origin)) : page;
  }

  async function begin(): Promise<Page> {
    const { client_id: clientId, client_secret: clientSecret } = context();
    const { url } = await manage(grpcUrl, 'LoginMcpServer', { ...server, clientId, clientSecret });
    return logIn(String(url));
  }

  if (grantIn(scenario) !== undefined) return driveGrant(client);
  if (REFUSED.has(scenario)) {
    const outcome = await begin().then(
      ({ text }) => text,
      (error: Error) => error.message,
    );
    assert.doesNotMatch(outcome, /You are logged in/);
    return;
  }
  assert.match((await begin()).text, /You are logged in/);
  const isOver = async () =>
    (await manage(grpcUrl, 'GetLoginStatusForMcpServer', server))['state'] === 'STATE_EXPIRED';
  await until(
    async () => {
      if (logins < MAX_LOGINS && (await isOver())) await begin();
      return (await listNames(client)).includes('test-tool');
    },
    { what: 'the tools' },
  );
  for (;;) {
    const { message } = await client.callTool('test-tool', {});
    if (message?.error === undefined) return;
    const [url] = /https:\/\/\S+\/oauth\/login\/\S+/.exec(message.error.message) ?? [];
    assert.ok(url, message.error.message);
    // The suite looks at how often it was tried: nobody goes on forever.
    if (logins >= MAX_LOGINS) return;
    assert.match((await logIn(url)).text, /You are logged in/);
  }
}
