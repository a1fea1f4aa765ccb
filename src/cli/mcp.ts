import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Tool } from '@modelcontextprotocol/sdk/types.js';

/** Opens a session at an MCP endpoint, hands it to `use`, and ends it whatever happens. */
export async function withMcpClient<T>(url: string, use: (client: Client) => Promise<T>): Promise<T> {
  const client = new Client({ name: 'dragon-cli', version: '1' });
  const transport = new StreamableHTTPClientTransport(new URL(url));
  try {
    // The SDK's transport declares its session id `string | undefined`, which exact optional properties tell apart.
    await client.connect(transport as Parameters<Client['connect']>[0]);
    return await use(client);
  } finally {
    await transport.terminateSession().catch(() => {});
    await client.close();
  }
}

/** All tools, page by page. */
export async function allTools(client: Client): Promise<Tool[]> {
  const tools: Tool[] = [];
  let cursor: string | undefined;
  do {
    const page = await client.listTools(cursor === undefined ? {} : { cursor });
    tools.push(...page.tools);
    cursor = page.nextCursor;
  } while (cursor !== undefined);
  return tools;
}
