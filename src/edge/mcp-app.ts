import type { IncomingMessage, OutgoingHttpHeaders, ServerResponse } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { type Context, Hono } from 'hono';
import type { Readiness } from '../admin/health.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { isModernHeader } from '../protocol/modern/era.ts';
import { modernError, modernErrorText } from '../protocol/modern/wire-error.ts';
import { discardBody } from './body.ts';
import { errorResponse, wireError } from './error-response.ts';
import type { Guard } from './guard.ts';
import { createHealthApp } from './health-app.ts';
import type { McpEndpoint } from './mcp-endpoint.ts';
import type { SseEndpoint } from './sse-endpoint.ts';

type Bindings = { Bindings: HttpBindings };

type McpHandler = (context: Context<Bindings>) => void | Promise<void>;

export interface McpAppOptions {
  readonly endpoint: McpEndpoint;
  /** The older transport; absent where it is switched off. */
  readonly sse: SseEndpoint | undefined;
  readonly guard: Guard;
  readonly readiness: Readiness;
  /** This node is about to stop: another should have what is sent here. */
  readonly isDraining: () => boolean;
}

/** Routes of the MCP port. */
export function createMcpApp({ endpoint, sse, guard, readiness, isDraining }: McpAppOptions): Hono<Bindings> {
  const app = new Hono<Bindings>();

  /**
   * Handlers write to Node's response themselves, which is what lets them stream, and errors are written here. To Hono the
   * answer is out at once: nothing of it has to wait for a promise.
   */
  const handle = (handler: McpHandler) => (context: Context<Bindings>) => {
    const { incoming, outgoing } = context.env;
    // Hono runs the handler of GET for HEAD, too; a stream that has no body would swallow the client's messages.
    if (incoming.method === 'HEAD') return notAllowed(context.req.path);
    const isElsewhere = isDraining() && incoming.headers[ELSEWHERE] !== undefined;
    const done = isElsewhere ? sendElsewhere(incoming, outgoing) : run(handler, context);
    done.catch((thrown) => {
      endpoint.known(thrown);
      outgoing.destroy();
    });
    return RESPONSE_ALREADY_SENT;
  };

  const run = async (handler: McpHandler, context: Context<Bindings>): Promise<void> => {
    const { incoming, outgoing } = context.env;
    try {
      const refusal = guard(incoming.headers.host, incoming.headers.origin);
      if (refusal !== undefined) throw new GatewayError(Code.Forbidden, refusal.message);
      await handler(context);
    } catch (thrown) {
      if (outgoing.headersSent || outgoing.destroyed) return;
      const error = endpoint.known(thrown);
      const wire = isModernHeader(incoming.headers) ? modernWire(error) : legacyWire(error);
      // A connection that ends with this answer is not read to the end of the body by itself.
      const isCutShort = isDraining() && !incoming.complete;
      if (error.code === Code.TooLarge || isCutShort) await refuseBody(incoming, outgoing, wire);
      else refuse(outgoing, error, wire);
    }
  };

  app.route('/', createHealthApp(readiness));
  app.post(
    '/mcp',
    handle(({ env }) => endpoint.post(env.incoming, env.outgoing)),
  );
  app.get(
    '/mcp',
    handle(({ env }) => legacyOnly(env.incoming) ?? endpoint.get(env.incoming, env.outgoing)),
  );
  app.delete(
    '/mcp',
    handle(({ env }) => legacyOnly(env.incoming) ?? endpoint.delete(env.incoming, env.outgoing)),
  );
  if (sse !== undefined) {
    app.get(
      '/sse',
      handle(({ env }) => sse.get(env.incoming, env.outgoing)),
    );
    app.post(
      '/messages',
      handle(({ env, req }) => sse.post(env.incoming, env.outgoing, req.query('sessionId'))),
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

/**
 * Header of a balancer that can give a request to another node, once this one says that it has not touched it. No client
 * has a use for it.
 */
const ELSEWHERE = 'dragon-elsewhere';

/** For a balancer: nginx does what the header says, and to others the status is a reason to try again. */
async function sendElsewhere(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> {
  await discardBody(incoming);
  outgoing.writeHead(503, { 'x-accel-redirect': '@elsewhere', 'retry-after': '0', 'content-length': '0' });
  outgoing.end();
}

/** The answer leaves at once and whole; its connection is closed when the client has stopped sending. */
async function refuseBody(incoming: IncomingMessage, outgoing: ServerResponse, { status, body }: Wire) {
  outgoing.writeHead(status, {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
    connection: 'close',
  });
  outgoing.write(body);
  await discardBody(incoming);
  outgoing.end();
}

const NOT_ALLOWED = new GatewayError(Code.MethodNotAllowed, 'Method not allowed');

function notAllowed(path: string): Response {
  const { status, body } = legacyWire(NOT_ALLOWED);
  const allow = path === '/mcp' ? 'GET, POST, DELETE' : 'GET';
  return new Response(body, { status, headers: { 'content-type': 'application/json', allow } });
}

/** The modern era has neither a stream nor a session to end (2026-07-28, transports: POST alone). */
function legacyOnly({ headers }: IncomingMessage): undefined {
  if (isModernHeader(headers)) throw NOT_ALLOWED;
}

/** An error about the HTTP request as a whole. */
interface Wire {
  readonly status: number;
  readonly body: string;
}

function legacyWire(error: GatewayError): Wire {
  return { status: wireError(error).status, body: errorResponse(error, null) };
}

function modernWire(error: GatewayError): Wire {
  return { status: modernError(error).status, body: modernErrorText(error, null) };
}

function refuse(outgoing: ServerResponse, error: GatewayError, { status, body }: Wire): void {
  const headers: OutgoingHttpHeaders = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  if (error.retryAfter !== undefined) headers['retry-after'] = String(error.retryAfter);
  // Thrown for clients of the modern era only: for others there is no route.
  if (error === NOT_ALLOWED) headers['allow'] = 'POST';
  outgoing.writeHead(status, headers);
  outgoing.end(body);
}
