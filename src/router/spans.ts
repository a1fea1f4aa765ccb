import type { DownstreamServer } from '../downstream/port.ts';
import type { GatewayError } from '../protocol/errors.ts';
import { MCP_METHODS } from '../telemetry/mcp-methods.ts';
import type { Outcome, Span, SpanAttributes } from '../telemetry/types.ts';

const METHOD_NAMES: ReadonlySet<string> = new Set(MCP_METHODS);

/** A method as spans name it: what a client makes up is no name. */
export function methodLabel(method: string): string {
  return METHOD_NAMES.has(method) ? method : 'other';
}

/** How OpenTelemetry's conventions for MCP have a request: its name, and what it is about. `name`: of a tool or a prompt. */
export function operation(
  method: string,
  name: string | undefined,
): { readonly name: string; readonly attributes: SpanAttributes } {
  const label = methodLabel(method);
  const isTool = method === 'tools/call';
  return {
    name: name === undefined ? label : `${label} ${name}`,
    attributes: {
      'mcp.method.name': label,
      'gen_ai.operation.name': isTool ? 'execute_tool' : undefined,
      'gen_ai.tool.name': isTool ? name : undefined,
      'gen_ai.prompt.name': method === 'prompts/get' ? name : undefined,
    },
  };
}

/** Why a request did not end well; undefined where it did. */
export function failureOf(
  outcome: Outcome,
  error: GatewayError | undefined,
): { readonly type: string; readonly message?: string } | undefined {
  if (outcome === 'ok') return undefined;
  if (error === undefined) return { type: outcome };
  return { type: outcome === 'error' ? error.code : outcome, message: error.message };
}

/** The part of a request that a server is asked. `name`: the server's own, of a tool or a prompt. Returns what ends it. */
export function askedServer(
  span: Span,
  method: string,
  server: DownstreamServer,
  name: string | undefined,
): { readonly span: Span; readonly end: (outcome: Outcome, error: GatewayError | undefined) => void } {
  const { name: spanName, attributes } = operation(method, name);
  const { target } = server;
  const place = target.kind === 'http' ? addressOf(target.url) : {};
  const child = span.child(spanName, {
    ...attributes,
    ...place,
    'network.transport': target.kind === 'http' ? 'tcp' : 'pipe',
    server: server.name,
  });
  return { span: child, end: (outcome, error) => child.end(spanName, {}, failureOf(outcome, error)) };
}

function addressOf(url: string): SpanAttributes {
  const { hostname, port, protocol } = new URL(url);
  return { 'server.address': hostname, 'server.port': Number(port || (protocol === 'https:' ? 443 : 80)) };
}
