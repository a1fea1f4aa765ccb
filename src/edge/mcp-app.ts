import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import type { Readiness } from '../admin/health.ts';
import type { PublishedMetadata } from '../auth/resource-metadata.ts';
import { createHealthApp } from './health-app.ts';
import type { McpEndpoint } from './mcp-endpoint.ts';
import { legacyWire, type McpHandler, NOT_ALLOWED, type Serve } from './mcp-handler.ts';
import { NodeRequest } from './node-request.ts';
import type { SseEndpoint } from './sse-endpoint.ts';

type Bindings = { Bindings: HttpBindings };

export interface McpAppOptions {
  readonly endpoint: McpEndpoint;
  /** The older transport; absent where it is switched off. */
  readonly sse: SseEndpoint | undefined;
  readonly handler: McpHandler;
  readonly readiness: Readiness;
  /** What is told of the issuers of tokens; undefined without any. */
  readonly metadata: PublishedMetadata | undefined;
  /** Where people log in to servers. */
  readonly logins: Hono<Bindings>;
}

/** Routes of the MCP port. */
export function createMcpApp(options: McpAppOptions): Hono<Bindings> {
  const { endpoint, sse, handler, readiness, metadata, logins } = options;
  const app = new Hono<Bindings>();

  /** Answers are written to Node's response, which is what lets them stream; to Hono they are out at once. */
  const handle = (context: Context<Bindings>, serve: Serve) => {
    const { incoming, outgoing } = context.env;
    // Hono runs the handler of GET for HEAD, too; a stream that has no body would swallow the client's messages.
    if (incoming.method === 'HEAD') return notAllowed(context.req.path);
    handler.handle(serve, new NodeRequest(incoming), outgoing);
    return RESPONSE_ALREADY_SENT;
  };

  app.route('/', createHealthApp(readiness));
  app.post('/mcp', (context) => handle(context, (request, response) => endpoint.post(request, response)));
  app.get('/mcp', (context) => handle(context, (request, response) => endpoint.get(request, response)));
  app.delete('/mcp', (context) => handle(context, (request, response) => endpoint.delete(request, response)));
  if (sse !== undefined) {
    app.get('/sse', (context) => handle(context, (request, response) => sse.get(request, response)));
    app.post('/messages', (context) =>
      handle(context, (request, response) => sse.post(request, response, context.req.query('sessionId'))),
    );
  }
  app.route('/', logins);
  for (const path of metadata?.paths ?? []) {
    app.get(path, (context) =>
      // Clients that run in a web page of any origin may know it, as everybody does.
      context.json(metadata?.document, 200, {
        'access-control-allow-origin': '*',
        'cache-control': 'max-age=3600',
      }),
    );
  }
  app.notFound((context) =>
    // A route for all methods would be one more handler of every request.
    context.req.path === '/mcp'
      ? notAllowed('/mcp')
      : context.json({ error: 'Not found; the MCP endpoint is /mcp' }, 404),
  );
  return app;
}

function notAllowed(path: string): Response {
  const { status, body } = legacyWire(NOT_ALLOWED);
  const allow = path === '/mcp' ? 'GET, POST, DELETE' : 'GET';
  return new Response(body, { status, headers: { 'content-type': 'application/json', allow } });
}
