import type { Route, Snapshot } from '../catalog/snapshot.ts';
import { callDeadlines } from '../downstream/call-deadlines.ts';
import type { AnswerSink, DownstreamLink, DownstreamServer } from '../downstream/port.ts';
import { type RequestMessage, replaceAt } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Exchange } from './exchange.ts';
import { RelaySink } from './relay-sink.ts';

/**
 * Sends a request to a server and everything that comes of it to the client. `text` is the request as the server is to
 * see it; `tool` the server's own name of the tool that it calls, for the tool's time limits.
 */
export function relay(
  exchange: Exchange,
  server: DownstreamServer,
  text: string,
  client: AnswerSink = exchange.sink,
  tool?: string,
): void {
  const { conversation, message } = exchange;
  const { session } = conversation;
  const key = JSON.stringify(message.id);
  if (session.inFlight.has(key)) return exchange.fail(idInUse(key));
  const breaker = exchange.options.breakers.of(server);
  const refusal = breaker.refusal();
  if (refusal !== undefined) return exchange.fail(refusal);
  const sink = new RelaySink(client, conversation, server, (outcome, error) => {
    if (error === undefined) breaker.succeeded();
    else breaker.failed(error);
    session.inFlight.delete(key);
    session.lastUsed = Date.now();
    exchange.ended(outcome, server.name);
  });
  const request: RequestMessage = text === message.text ? message : { ...message, text };
  const open = conversation.links.now(server);
  if (open === undefined) return relayWhenOpen(exchange, server, request, sink, key, tool);
  start(exchange, open, request, sink, key, tool);
}

function start(
  exchange: Exchange,
  link: DownstreamLink,
  request: RequestMessage,
  sink: RelaySink,
  key: string,
  tool: string | undefined,
): void {
  let cancelled = false;
  let cancelRequest: ((reason: GatewayError) => void) | undefined;
  const cancel = () => {
    cancelled = true;
    cancelRequest?.(new GatewayError(Code.Cancelled, 'Cancelled by the client'));
  };
  // Entered first: a server in the same process may have answered before `request` returns.
  exchange.conversation.session.inFlight.set(key, { cancel });
  cancelRequest = link.request(request, sink, callDeadlines(exchange.options.deadlines, link.server, tool));
  if (cancelled) cancel();
}

function relayWhenOpen(
  exchange: Exchange,
  server: DownstreamServer,
  request: RequestMessage,
  sink: RelaySink,
  key: string,
  tool: string | undefined,
): void {
  const { session } = exchange.conversation;
  let over = false;
  const fail = (error: GatewayError) => {
    if (over) return;
    over = true;
    sink.fail(error);
  };
  session.inFlight.set(key, {
    cancel: () => fail(new GatewayError(Code.Cancelled, 'Cancelled by the client')),
  });
  exchange.conversation.links.get(server).then(
    (link) => {
      if (!over) start(exchange, link, request, sink, key, tool);
    },
    (error) => fail(GatewayError.from(error)),
  );
}

/** Relays with the public name at `path` replaced by the server's own. */
export function relayRenamed(
  exchange: Exchange,
  route: Route,
  path: readonly string[],
  name: string,
  client: AnswerSink = exchange.sink,
  tool?: string,
): void {
  // Looked for even where the name stays: a key that stands twice would be one name to us and another to the server.
  const text = replaced(exchange, path, route.key);
  relay(exchange, route.server, name === route.key ? exchange.message.text : text, client, tool);
}

export function replaced(exchange: Exchange, path: readonly string[], value: string): string {
  const text = replaceAt(exchange.message, path, JSON.stringify(value));
  if (text === undefined)
    throw new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice');
  return text;
}

/** A name that nobody lists: looked for once more where servers that were just added or changed have yet to answer. */
export function orWhenSettled(
  exchange: Exchange,
  handler: (exchange: Exchange, snapshot: Snapshot) => void | Promise<void>,
  missing: GatewayError,
): Promise<void> {
  const { view } = exchange.conversation;
  if (!view.isSettling) throw missing;
  return view.snapshot().then((snapshot) => handler(exchange, snapshot));
}

export function idInUse(key: string): GatewayError {
  const reason = `id ${key.slice(0, 64)} is in use by a request under way`;
  return new GatewayError(Code.InvalidRequest, `Invalid Request: ${reason}`);
}

export function unknown(what: string, name: string): GatewayError {
  return new GatewayError(Code.InvalidParams, `Unknown ${what}: ${name.slice(0, 128)}`);
}

export function resourceNotFound(uri: string): GatewayError {
  return new GatewayError(Code.ResourceNotFound, 'Resource not found', { data: { uri } });
}
