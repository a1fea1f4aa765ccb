import { resourceCandidates, type Snapshot } from '../catalog/snapshot.ts';
import { DownstreamAnswerError } from '../downstream/call.ts';
import { callDeadlines } from '../downstream/call-deadlines.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import { parseJson, stringParam } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { arrayElements, locate, objectMembers, splice } from '../protocol/json-text.ts';
import type { Exchange } from './exchange.ts';
import { withinLimits } from './limited.ts';
import { replaced, resourceNotFound } from './relay.ts';
import { RewriteSink } from './rewrite-sink.ts';

/** An answer that is taken apart must not nest deeper. */
const MAX_DEPTH = 512;

/** `resources/read`: to the owner of the URI; where nobody lists it, to each server that might know it until one does. */
export function readResource(exchange: Exchange, snapshot: Snapshot): void | Promise<void> {
  const uri = stringParam(exchange.message.params, 'uri');
  const candidates = resourceCandidates(snapshot, uri);
  const [first] = candidates;
  if (first === undefined) throw resourceNotFound(uri);
  const text = replaced(exchange, ['params', 'uri'], first.uri);
  const names = candidates.map(({ server }) => server.name) as [string, ...string[]];
  return withinLimits(exchange, names, undefined, () => {
    if (candidates.length > 1) {
      const servers = candidates.map(({ server }) => server);
      return readAnywhere(exchange, servers, uri);
    }
    const alias = (text: string) => withAlias(text, first.uri, uri);
    const sink = first.uri === uri ? exchange.sink : new RewriteSink(exchange.sink, alias);
    return exchange.relay(first.server, text, {
      client: sink,
      name: first.uri,
      isRepeatable: true,
    });
  });
}

/** Asks all of these servers at once. Reading changes nothing, so asking several is safe. */
async function readAnywhere(
  exchange: Exchange,
  servers: readonly DownstreamServer[],
  uri: string,
): Promise<void> {
  const enough = new AbortController();
  let isCancelled = false;
  const over = exchange.track({
    cancel: () => {
      isCancelled = true;
      enough.abort();
    },
  });
  const failures: GatewayError[] = [];
  try {
    const answer = await firstOf(servers.map((server) => tryRead(exchange, server, enough.signal, failures)));
    if (isCancelled) throw new GatewayError(Code.Cancelled, 'Cancelled by the client');
    // A server that could not be asked may have it.
    if (answer === undefined) throw failures[0] ?? resourceNotFound(uri);
    exchange.answer(answer);
  } finally {
    over();
    enough.abort();
  }
}

/** How long the servers that come first may keep an answer of a later one waiting, in milliseconds. */
const PATIENCE_MS = 500;

/** The first in order that has an answer; or, where those before it do not say so in time, the first to have one. */
async function firstOf(reads: readonly Promise<string | undefined>[]): Promise<string | undefined> {
  const inOrder = (async () => {
    for (const read of reads) {
      const answer = await read;
      if (answer !== undefined) return answer;
    }
    return undefined;
  })();
  const { promise: inTime, resolve } = Promise.withResolvers<string>();
  let patience: NodeJS.Timeout | undefined;
  for (const read of reads) {
    read.then(
      (answer) => {
        if (answer !== undefined) patience ??= setTimeout(resolve, PATIENCE_MS, answer);
      },
      () => {},
    );
  }
  try {
    return await Promise.race([inOrder, inTime]);
  } finally {
    clearTimeout(patience);
  }
}

/** The answer as text, or undefined where this server has no such resource, or could not be asked: see `failures`. */
async function tryRead(
  exchange: Exchange,
  server: DownstreamServer,
  signal: AbortSignal,
  failures: GatewayError[],
): Promise<string | undefined> {
  try {
    return await exchange.ask(server, callDeadlines(exchange.options.deadlines, server), signal);
  } catch (error) {
    if (error instanceof GatewayError) failures.push(error);
    else if (!(error instanceof DownstreamAnswerError)) throw error;
    return undefined;
  }
}

/** Puts the alias that the client asked for in place of the server's own URI in the contents that come back. */
function withAlias(text: string, ownUri: string, alias: string): string {
  // Of a large answer only the beginning has been looked at. Throws for what is not JSON or nests too deeply.
  parseJson(text, MAX_DEPTH);
  const { start } = locate(text, ['result', 'contents']) ?? {};
  if (start === undefined) return text;
  // From the end to the beginning, so that a splice does not move what is still to be spliced.
  return arrayElements(text, start).reduceRight((aliased, content) => {
    const uri = objectMembers(text, content.start)?.get('uri');
    if (uri === undefined || JSON.parse(text.slice(uri.start, uri.end)) !== ownUri) return aliased;
    return splice(aliased, uri, JSON.stringify(alias));
  }, text);
}
