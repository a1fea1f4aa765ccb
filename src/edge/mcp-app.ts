import type { HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import type { Readiness } from '../admin/health.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { errorResponse, wireError } from './error-response.ts';
import { createHealthApp } from './health-app.ts';
import type { Guard } from './guard.ts';
import type { McpEndpoint } from './mcp-endpoint.ts';

type Bindings = { Bindings: HttpBindings };

/** Routes of the MCP port. */
export function createMcpApp(endpoint: McpEndpoint, guard: Guard, readiness: Readiness): Hono<Bindings> {
  const app = new Hono<Bindings>();
  app.route('/', createHealthApp(readiness));
  app.all('/mcp', async (context) => {
    const { incoming, outgoing } = context.env;
    try {
      const refusal = guard(incoming.headers.host, incoming.headers.origin);
      if (refusal !== undefined) throw new GatewayError(Code.Forbidden, refusal.message);
      switch (incoming.method) {
        case 'POST':
          await endpoint.post(incoming, outgoing);
          break;
        case 'GET':
          await endpoint.get(incoming, outgoing);
          break;
        case 'DELETE':
          endpoint.delete(incoming, outgoing);
          break;
        default:
          return fail(new GatewayError(Code.MethodNotAllowed, 'Method not allowed'), {
            allow: 'GET, POST, DELETE',
          });
      }
      return RESPONSE_ALREADY_SENT;
    } catch (thrown) {
      if (outgoing.headersSent || outgoing.destroyed) return RESPONSE_ALREADY_SENT;
      return fail(endpoint.known(thrown));
    }
  });
  app.notFound((context) => context.json({ error: 'Not found; the MCP endpoint is /mcp' }, 404));
  return app;
}

function fail(error: GatewayError, headers: Readonly<Record<string, string>> = {}): Response {
  const { status } = wireError(error);
  const retry = error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) };
  // What is left of a body that was refused is not worth reading.
  const close = error.code === Code.TooLarge ? { connection: 'close' } : {};
  return new Response(errorResponse(error, null), {
    status,
    headers: { 'content-type': 'application/json', ...retry, ...close, ...headers },
  });
}
