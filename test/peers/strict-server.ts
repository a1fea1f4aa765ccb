import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { failure, isRequest, type Message, notification, result } from '../support/rpc.ts';
import { formatSse } from '../support/sse.ts';

/** What a server needs for things that cost it nothing here: it makes a client that does not wait show. */
const SLOWNESS_MS = 100;

interface Session {
  isInitialized: boolean;
  stream: ServerResponse | undefined;
}

export interface StrictServer {
  /** Streamable HTTP. */
  readonly url: string;
  /** The older HTTP+SSE. */
  readonly sseUrl: string;
  /** Requests that came before their session was initialized. */
  readonly early: readonly string[];
  close(): Promise<void>;
}

/**
 * A server as strict as the specification allows, and slow: it answers nothing before it has handled
 * `notifications/initialized`, and what it says outside of requests is lost without a stream. Its one tool `tell` sends
 * a log message and returns whether there was a stream for it.
 */
export async function startStrictServer(): Promise<StrictServer> {
  const sessions = new Map<string, Session>();
  const early: string[] = [];

  const handle = async (message: Message, session: Session): Promise<Message | undefined> => {
    if (message.method === 'notifications/initialized') {
      await delay(SLOWNESS_MS);
      session.isInitialized = true;
    }
    if (!isRequest(message)) return undefined;
    if (message.method === 'initialize') {
      return result(message.id, {
        protocolVersion: '2025-06-18',
        capabilities: { tools: {}, logging: {} },
        serverInfo: { name: 'strict', version: '1' },
      });
    }
    if (!session.isInitialized) {
      early.push(message.method);
      return failure(message.id, -32600, 'Not initialized');
    }
    if (message.method === 'tools/list') {
      return result(message.id, { tools: [{ name: 'tell', inputSchema: { type: 'object' } }] });
    }
    if (message.method !== 'tools/call') return failure(message.id, -32601, 'Method not found');
    const said = notification('notifications/message', { level: 'error', data: 'said' });
    session.stream?.write(formatSse({ data: JSON.stringify(said) }));
    return result(message.id, {
      content: [{ type: 'text', text: session.stream === undefined ? 'lost' : 'told' }],
    });
  };

  const newSession = (): [string, Session] => {
    const id = randomUUID();
    const session: Session = { isInitialized: false, stream: undefined };
    sessions.set(id, session);
    return [id, session];
  };

  const streamableHttp = async (request: IncomingMessage, response: ServerResponse) => {
    const known = sessions.get(String(request.headers['mcp-session-id']));
    if (request.method === 'GET' && known !== undefined) {
      await delay(SLOWNESS_MS);
      known.stream = openStream(response);
    } else if (request.method === 'POST') {
      const message = await read(request);
      const [id, session] = known === undefined ? newSession() : [undefined, known];
      const answer = await handle(message, session);
      response.writeHead(answer === undefined ? 202 : 200, {
        'content-type': 'application/json',
        ...(id !== undefined && { 'mcp-session-id': id }),
      });
      response.end(answer && JSON.stringify(answer));
    } else response.writeHead(request.method === 'DELETE' ? 204 : 400).end();
  };

  const olderSse = async (request: IncomingMessage, response: ServerResponse, url: URL) => {
    if (request.method === 'GET') {
      const [id, session] = newSession();
      session.stream = openStream(response);
      response.write(formatSse({ event: 'endpoint', data: `/sse/messages?session=${id}` }));
      return;
    }
    const session = sessions.get(url.searchParams.get('session') ?? '');
    // Where a client finds out that this is the older transport.
    if (session === undefined) {
      response.writeHead(405).end();
      return;
    }
    const answer = await handle(await read(request), session);
    response.writeHead(202).end();
    if (answer !== undefined) session.stream?.write(formatSse({ data: JSON.stringify(answer) }));
  };

  const server = createServer((request, response) => {
    const url = new URL(request.url ?? '/', 'http://localhost');
    const handled = url.pathname.startsWith('/sse')
      ? olderSse(request, response, url)
      : streamableHttp(request, response);
    handled.catch(() => response.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}/mcp`,
    sseUrl: `http://127.0.0.1:${port}/sse`,
    early,
    async close() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}

function openStream(response: ServerResponse): ServerResponse {
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  return response;
}

async function read(request: IncomingMessage): Promise<Message> {
  let text = '';
  for await (const chunk of request.setEncoding('utf8')) text += chunk;
  return JSON.parse(text);
}
