import { type DescMessage, type JsonValue, type MessageShape, toJson } from '@bufbuild/protobuf';
import { type Client, createClient, type Interceptor } from '@connectrpc/connect';
import { createConnectTransport } from '@connectrpc/connect-node';
import type { McpServer } from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { TurnstileService } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';

export type Management = Client<typeof TurnstileService>;

/** Longer than a server may take to start and answer, so that the gateway's own deadline is the one that is told. */
const TIMEOUT_MS = 180_000;

const PAGE_SIZE = 1000;

/** A client of the management API. Connects with the first call. */
export function connectManagement(baseUrl: string, apiKey: string | undefined): Management {
  return createClient(
    TurnstileService,
    createConnectTransport({
      baseUrl,
      httpVersion: '1.1',
      defaultTimeoutMs: TIMEOUT_MS,
      interceptors: apiKey === undefined ? [] : [showing(apiKey)],
    }),
  );
}

function showing(apiKey: string): Interceptor {
  return (next) => (request) => {
    request.header.set('authorization', `Bearer ${apiKey}`);
    return next(request);
  };
}

/** The reference to a server by its name. */
export function byName(name: string) {
  return { ref: { case: 'name', value: name } } as const;
}

/** All servers of the caller, the oldest first. */
export async function allServers(management: Management): Promise<McpServer[]> {
  const servers: McpServer[] = [];
  let pageToken = '';
  do {
    const page = await management.listMcpServers({ pageSize: PAGE_SIZE, pageToken });
    servers.push(...page.servers);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return servers;
}

/** The public names of a server's tools. */
export async function toolNames(management: Management, server: string): Promise<Set<string>> {
  const names = new Set<string>();
  let pageToken = '';
  do {
    const page = await management.listTools({ server: byName(server), pageSize: PAGE_SIZE, pageToken });
    for (const tool of page.tools) names.add(tool.publicName);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  return names;
}

/** A message for scripts: with the fields that are empty or false, so that they need not be guessed. */
export function messageJson<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): JsonValue {
  return toJson(schema, message, { alwaysEmitImplicit: true });
}
