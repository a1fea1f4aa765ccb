import { setTimeout as delay } from 'node:timers/promises';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { ErrorCode, McpError, type Tool } from '@modelcontextprotocol/sdk/types.js';
import { socketReason } from './errors.ts';
import { CliError } from './exit.ts';
import type { GlobalOptions } from './io.ts';

/** How often a gateway that owes an answer is asked whether it is still there. */
const HEARTBEAT_MS = 5_000;

/** Opens a session at an MCP endpoint, hands it to `use`, and ends it whatever happens. */
export async function withMcpClient<T>(
  url: string,
  { apiKey }: GlobalOptions,
  use: (client: Client) => Promise<T>,
): Promise<T> {
  const client = new Client({ name: 'dragon-cli', version: '1' });
  const transport = new StreamableHTTPClientTransport(
    new URL(url),
    apiKey === undefined ? {} : { requestInit: { headers: { authorization: `Bearer ${apiKey}` } } },
  );
  const done = new AbortController();
  try {
    // The SDK's transport declares its session id `string | undefined`, which exact optional properties tell apart.
    await client.connect(transport as Parameters<Client['connect']>[0]);
    const used = use(client).catch((error: unknown) => {
      throw socketReason(error) === undefined ? error : lost();
    });
    return await Promise.race([used, failsWithGateway(client, done.signal)]);
  } finally {
    done.abort();
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

/**
 * Rejects when the gateway or the session is gone. The SDK's client does not notice: an answer whose stream has broken
 * off is waited for until the call's own time is over.
 */
async function failsWithGateway(client: Client, signal: AbortSignal): Promise<never> {
  for (;;) {
    try {
      await delay(HEARTBEAT_MS, undefined, { signal, ref: false });
      await client.ping({ timeout: HEARTBEAT_MS, signal });
    } catch (error) {
      // Nobody waits for this any more.
      if (signal.aborted) return new Promise(() => {});
      // Slow is not gone.
      if (error instanceof McpError && error.code === ErrorCode.RequestTimeout) continue;
      throw new CliError(
        'the gateway went away before it answered; whether the call was carried out is unknown',
      );
    }
  }
}

/** Other than a gateway that was never there, one that goes may have done what it was asked for. */
function lost(): CliError {
  return new CliError('the gateway went away before it answered; the outcome is unknown');
}
