import { resourceCandidates, type Snapshot } from '../catalog/snapshot.ts';
import { call, DownstreamAnswerError } from '../downstream/call.ts';
import type { AnswerSink, DownstreamServer } from '../downstream/port.ts';
import {
  isObject,
  type Message,
  own,
  parseMessage,
  replaceAt,
  resultText,
  stringParam,
} from '../protocol/envelope.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { Exchange } from './exchange.ts';
import { relay, replaced, resourceNotFound } from './relay.ts';

/** `resources/read`: to the owner of the URI; where nobody lists it, to each server that might know it until one does. */
export async function readResource(exchange: Exchange, snapshot: Snapshot): Promise<void> {
  const uri = stringParam(exchange.message.params, 'uri');
  const candidates = resourceCandidates(snapshot, uri);
  const [first] = candidates;
  if (first === undefined) throw resourceNotFound(uri);
  if (candidates.length === 1) {
    const sink = first.uri === uri ? exchange.sink : new AliasSink(exchange.sink, first.uri, uri);
    return relay(exchange, first.server, replaced(exchange, ['params', 'uri'], first.uri), sink);
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
    const link = await conversation.link(server);
    const answer = await call(link, message, options.deadlines, new AbortController().signal);
    return JSON.stringify(answer.result);
  } catch (error) {
    if (error instanceof DownstreamAnswerError || error instanceof GatewayError) return undefined;
    throw error;
  }
}

/** Puts the alias that the client asked for in place of the server's own URI in the contents that come back. */
class AliasSink implements AnswerSink {
  readonly #client: AnswerSink;
  readonly #own: string;
  readonly #alias: string;
  #chunks: Buffer[] = [];

  constructor(client: AnswerSink, ownUri: string, alias: string) {
    this.#client = client;
    this.#own = ownUri;
    this.#alias = alias;
  }

  get drained(): (() => void) | undefined {
    return this.#client.drained;
  }

  set drained(callback: (() => void) | undefined) {
    this.#client.drained = callback;
  }

  openStream(): void {
    this.#client.openStream();
  }

  message(text: string, message: Message): boolean {
    return this.#client.message(text, message);
  }

  begin(): void {}

  data(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    this.answer(Buffer.concat(this.#chunks));
  }

  fail(error: GatewayError): void {
    this.#client.fail(error);
  }

  answer(body: string | Buffer): void {
    let text = body.toString();
    const parsed = parseMessage(text, 512);
    const contents =
      parsed.kind === 'response' && isObject(parsed.result) ? own(parsed.result, 'contents') : undefined;
    if (Array.isArray(contents)) {
      const aliased = contents.map((each) =>
        isObject(each) && own(each, 'uri') === this.#own ? { ...each, uri: this.#alias } : each,
      );
      text = replaceAt(parsed, ['result', 'contents'], JSON.stringify(aliased)) ?? text;
    }
    this.#client.answer(text);
  }
}
