/**
 * What the client scenarios of the suite run: it makes a gateway use the suite's server, so that the gateway is the
 * client that is judged. Arguments: MCP URL and management URL of the gateway, then the server's URL, which the suite
 * adds. `MCP_CONFORMANCE_SCENARIO` names the scenario.
 */
import assert from 'node:assert/strict';
import { manage } from '../support/gateway.ts';
import { listNames, listPages } from '../support/lists.ts';
import { RawClient } from '../support/raw-client.ts';
import { isRequest, type Message, textOf } from '../support/rpc.ts';
import { driveAuth, grantIn } from './drive-auth.ts';

/** The suite's own patience is longer; a driver that it gives up on must not stay. */
const PATIENCE_MS = 25_000;

const [mcpUrl, grpcUrl, serverUrl] = process.argv.slice(2) as [string, string, string];
const scenario = process.env['MCP_CONFORMANCE_SCENARIO'] ?? '';

/** What each scenario wants a client to do, and what has to come of it. */
const SCENARIOS: Readonly<Record<string, (client: RawClient) => Promise<void>>> = {
  initialize: async (client) => {
    assert.deepEqual(await listNames(client), []);
  },
  tools_call: async (client) => {
    const { message } = await client.callTool('add_numbers', { a: 5, b: 3 });
    assert.equal(textOf(message!), 'The sum of 5 and 3 is 8');
  },
  'elicitation-sep1034-client-defaults': async (client) => {
    const { message } = await client.callTool('test_client_elicitation_defaults');
    assert.match(textOf(message!), /^Elicitation completed/);
  },
  'sse-retry': async (client) => {
    const { message } = await client.callTool('test_reconnection');
    assert.equal(textOf(message!), 'Reconnection test completed successfully');
  },
  'json-schema-2020-12-preservation': async (client) => {
    const entries = (await listPages(client, 'tools/list')).flatMap((page) => page.entries);
    const { inputSchema } = entries.find(({ name }) => name === 'json_schema_2020_12_tool')!;
    const { message } = await client.callTool('json_schema_echo', { schema: inputSchema });
    assert.equal(textOf(message!), 'echoed');
  },
};

/** Accepts a form with its default values. */
async function answer(client: RawClient, message: Message): Promise<void> {
  if (!isRequest(message)) return;
  assert.equal(message.method, 'elicitation/create');
  const { properties } = message.params!['requestedSchema'] as {
    readonly properties: Readonly<Record<string, { readonly default?: unknown }>>;
  };
  const content = Object.fromEntries(
    Object.entries(properties).map(([name, field]) => [name, field.default]),
  );
  await client.respond(message.id, { action: 'accept', content });
}

setTimeout(() => process.exit(1), PATIENCE_MS).unref();
const act = scenario.startsWith('auth/')
  ? (client: RawClient) => driveAuth({ scenario, mcpUrl, grpcUrl, client })
  : SCENARIOS[scenario];
assert.ok(act, `There is no driver for ${scenario}`);
const { server } = await manage(grpcUrl, 'CreateMcpServer', {
  name: 'suite',
  url: serverUrl,
  toolPrefix: '',
  oauth: grantIn(scenario),
});
const client = new RawClient(mcpUrl, { capabilities: { elicitation: {} } });
try {
  assert.ok((await client.initialize()).message?.result);
  const stream = await client.stream();
  const read = async () => {
    for (let message = await stream.next(); message !== undefined; message = await stream.next()) {
      await answer(client, message);
    }
  };
  // The stream is cut at the end.
  read().catch(() => {});
  await act(client);
  await client.delete();
} finally {
  client.close();
  await manage(grpcUrl, 'DeleteMcpServer', { server: { id: (server as { id: string }).id } });
}
