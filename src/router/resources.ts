import { resourceCandidates, type Snapshot } from '../catalog/snapshot.ts';
import { call, DownstreamAnswerError } from '../downstream/call.ts';
import { callDeadlines } from '../downstream/call-deadlines.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import { isObject, own, parseMessage, replaceAt, resultText, stringParam } from '../protocol/envelope.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { Exchange } from './exchange.ts';
import { relay, replaced, resourceNotFound } from './relay.ts';
import { RewriteSink } from './rewrite-sink.ts';

/** An answer that is taken apart must not nest deeper. */
const MAX_DEPTH = 512;

/** `resources/read`: to the owner of the URI; where nobody lists it, to each server that might know it until one does. */
export async function readResource(exchange: Exchange, snapshot: Snapshot): Promise<void> {
  const uri = stringParam(exchange.message.params, 'uri');
  const candidates = resourceCandidates(snapshot, uri);
  const [first] = candidates;
  if (first === undefined) throw resourceNotFound(uri);
  const text = replaced(exchange, ['params', 'uri'], first.uri);
  if (candidates.length === 1) {
    const alias = (text: string) => withAlias(text, first.uri, uri);
    const sink = first.uri === uri ? exchange.sink : new RewriteSink(exchange.sink, alias);
    return relay(exchange, first.server, text, sink);
  }
  for (const { server } of candidates) {
    const result = await tryRead(exchange, server);
    if (result !== undefined) return exchange.answer(resultText(exchange.message.id, result));
  }
  throw resourceNotFound(uri);
}

/** The result as JSON text, or undefined where this server has no such resource. Reading changes nothing, so asking several is safe. */
async function tryRead(
  { conversation, message, options }: Exchange,
  server: DownstreamServer,
): Promise<string | undefined> {
  try {
    const link = await conversation.links.get(server);
    const deadlines = callDeadlines(options.deadlines, server);
    const answer = await call(link, message, deadlines, new AbortController().signal);
    return JSON.stringify(answer.result);
  } catch (error) {
    if (error instanceof DownstreamAnswerError || error instanceof GatewayError) return undefined;
    throw error;
  }
}

/** Puts the alias that the client asked for in place of the server's own URI in the contents that come back. */
function withAlias(text: string, ownUri: string, alias: string): string {
  const parsed = parseMessage(text, MAX_DEPTH);
  const contents =
    parsed.kind === 'response' && isObject(parsed.result) ? own(parsed.result, 'contents') : undefined;
  if (!Array.isArray(contents)) return text;
  const aliased = contents.map((each) =>
    isObject(each) && own(each, 'uri') === ownUri ? { ...each, uri: alias } : each,
  );
  return replaceAt(parsed, ['result', 'contents'], JSON.stringify(aliased)) ?? text;
}
