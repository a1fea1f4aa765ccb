import type { Route, Snapshot } from '../catalog/snapshot.ts';
import { replaceAt } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { Denied } from './denied.ts';
import type { CallOptions, Exchange } from './exchange.ts';

/** Relays with the public name at `path` replaced by the server's own. */
export function relayRenamed(
  exchange: Exchange,
  route: Route,
  path: readonly string[],
  name: string,
  options: CallOptions,
): void {
  // Looked for even where the name stays: a key that stands twice would be one name to us and another to the server.
  const text = replaced(exchange, path, route.key);
  exchange.relay(route.server, name === route.key ? exchange.message.text : text, options);
}

export function replaced(exchange: Exchange, path: readonly string[], value: string): string {
  const text = replaceAt(exchange.message, path, JSON.stringify(value));
  if (text === undefined)
    throw new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice');
  return text;
}

/** A name that nobody lists: looked for once more where servers that were just added or changed have yet to answer. */
export function orWhenSettled<E extends Exchange>(
  exchange: E,
  handler: (exchange: E, snapshot: Snapshot) => void | Promise<void>,
  missing: GatewayError,
): Promise<void> {
  const { view } = exchange;
  if (!view.isSettling) throw missing;
  return view.snapshot().then((snapshot) => handler(exchange, snapshot));
}

export function idInUse(key: string): GatewayError {
  const reason = `id ${key.slice(0, 64)} is in use by a request under way`;
  return new GatewayError(Code.InvalidRequest, `Invalid Request: ${reason}`);
}

/** `isDenied`: it exists, and is not for this caller, who must not be able to tell. */
export function unknown(what: string, name: string, isDenied = false): GatewayError {
  const message = `Unknown ${what}: ${name.slice(0, 128)}`;
  return isDenied ? new Denied(Code.InvalidParams, message) : new GatewayError(Code.InvalidParams, message);
}

export function resourceNotFound(uri: string): GatewayError {
  return new GatewayError(Code.ResourceNotFound, 'Resource not found', { data: { uri } });
}
