/**
 * A gateway made with fastmcp: its server in front, the SDK's client behind, with one session there for all. Usage:
 * `fastmcp-gateway.ts FOLDER PORT TARGET_URL`; FOLDER has fastmcp installed.
 */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js';

/** Of the package, which is no dependency of ours, what is used here. */
interface FastMcp {
  readonly FastMCP: new (options: {
    name: string;
    version: string;
  }) => {
    addTool(tool: Record<string, unknown>): void;
    start(options: Record<string, unknown>): Promise<void>;
  };
  readonly jsonSchemaAdapter: (schema: unknown) => unknown;
}

const [, , folder = '', port = '', target = ''] = process.argv;
const entry = join(folder, 'node_modules', 'fastmcp', 'dist', 'FastMCP.js');
const { FastMCP, jsonSchemaAdapter }: FastMcp = await import(pathToFileURL(entry).href);

const client = new Client({ name: 'fastmcp-gateway', version: '1.0.0' });
await client.connect(new StreamableHTTPClientTransport(new URL(target)) as Transport);
const server = new FastMCP({ name: 'fastmcp-gateway', version: '1.0.0' });
for (const { name, description, inputSchema } of (await client.listTools()).tools) {
  server.addTool({
    name,
    description,
    parameters: jsonSchemaAdapter(inputSchema),
    execute: (args: Record<string, unknown>) => client.callTool({ name, arguments: args }),
  });
}
await server.start({
  transportType: 'httpStream',
  httpStream: { host: '127.0.0.1', port: Number(port), endpoint: '/mcp' },
});
