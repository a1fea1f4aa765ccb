import { ForwardingSink } from '../downstream/forwarding-sink.ts';
import type { AnswerSink } from '../downstream/port.ts';
import { isObject, type Message, own, type RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { missingCapability, missingOf } from '../protocol/modern/capabilities.ts';
import { errorForModern } from '../protocol/modern/error-translation.ts';
import { readInputRequired } from '../protocol/modern/input-request.ts';
import { wantsLog } from '../protocol/modern/log-level.ts';
import type { RequestMeta } from '../protocol/modern/meta.ts';
import { isCacheable, isMultiRound } from '../protocol/modern/methods.ts';
import { NOT_CACHED, resultTypeOf, stampResponse } from '../protocol/modern/result.ts';
import { hasTasks, isTaskMethod, taskResponseForClient } from '../protocol/modern/tasks.ts';
import { ErrorCode } from '../protocol/modern/wire-error.ts';

const TYPE = '"resultType"';
const COMPLETE = '"resultType":"complete"';

export interface ModernRelayOptions {
  readonly request: RequestMessage;
  readonly meta: RequestMeta;
  readonly serverId: string;
  readonly serverName: string;
  /** The gateway's `Implementation` as JSON text. */
  readonly identity: string;
  /** What the server says that is not about this request. */
  readonly heard: (message: Message) => void;
  /** The server finds the headers wrong. True: somebody goes on with the request. */
  readonly mismatched: () => boolean;
}

/** The answer of a modern server on its way to a modern client: as it is, where nothing has to be changed or refused. */
export class ModernRelaySink extends ForwardingSink {
  readonly #options: ModernRelayOptions;
  readonly #isCacheable: boolean;
  /** There is something to change in every answer. */
  readonly #isChanged: boolean;
  #isPassing = false;
  #chunks: Buffer[] = [];
  #length: number | undefined;

  constructor(client: AnswerSink, options: ModernRelayOptions) {
    super(client);
    this.#options = options;
    const { method } = options.request;
    this.#isCacheable = isCacheable(method);
    this.#isChanged = this.#isCacheable || isTaskMethod(method);
  }

  override message(text: string, message: Message): boolean {
    return !this.#isForClient(message) || this.client.message(text, message);
  }

  override moveTo(): void {}

  override answer(body: string | Buffer): void {
    if (!this.#isChanged && saysComplete(body)) return this.client.answer(body);
    let answer: string | GatewayError | undefined;
    try {
      answer = this.#read(body.toString());
    } catch (thrown) {
      // Of a large answer only the beginning was looked at, and it may be anything.
      answer = thrown instanceof GatewayError ? thrown : this.#wrong('what is not a JSON-RPC response');
    }
    if (answer === undefined) return;
    if (typeof answer === 'string') this.client.answer(answer);
    else this.client.fail(answer);
  }

  override begin(length: number | undefined): void {
    this.#length = length;
  }

  override data(chunk: Buffer): boolean {
    if (this.#isPassing) return this.client.data(chunk);
    // What others may keep has to be changed, so it is held; so is what says what it is at its end only.
    this.#chunks.push(chunk);
    if (this.#isChanged || this.#chunks.length > 1 || !saysCompleteEarly(chunk)) return true;
    this.#chunks = [];
    this.#isPassing = true;
    this.client.begin(this.#length);
    return this.client.data(chunk);
  }

  override end(): void {
    if (this.#isPassing) return this.client.end();
    const body = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.answer(body);
  }

  #isForClient(message: Message): boolean {
    if (message.kind !== 'notification') return false;
    const { meta, heard } = this.#options;
    const { method, params } = message;
    switch (method) {
      case 'notifications/progress':
        return meta.progressToken !== undefined && params !== undefined
          ? own(params, 'progressToken') === meta.progressToken
          : false;
      case 'notifications/message':
        return wantsLog(meta.logLevel, params && own(params, 'level'));
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
        heard(message);
        return false;
      case 'notifications/resources/updated':
      case 'notifications/subscriptions/acknowledged':
      case 'notifications/tasks':
      case 'notifications/cancelled':
        return false;
      default:
        return true;
    }
  }

  /** The answer as the client may have it; why it gets none; undefined where somebody goes on with the request. */
  #read(text: string): string | GatewayError | undefined {
    const { request, meta, serverId, identity } = this.#options;
    const type = resultTypeOf(text);
    switch (type) {
      case undefined:
        return this.#error(text);
      case 'complete': {
        const own = isTaskMethod(request.method)
          ? taskResponseForClient(text, request.method, serverId)
          : text;
        const cache = { fallback: NOT_CACHED, isPrivate: true };
        const stamp = this.#isCacheable ? { serverInfo: identity, cache } : { serverInfo: identity };
        return stampResponse(own, stamp) ?? this.#wrong('a result in which a member stands twice');
      }
      case 'input_required':
        return isMultiRound(request.method) ? this.#asked(text) : this.#wrong('a question to this method');
      case 'task':
        if (request.method !== 'tools/call' || !hasTasks(meta.clientCapabilities))
          return this.#wrong('a task to a request that asks for none');
        return taskResponseForClient(text, request.method, serverId);
      default:
        return this.#wrong(`a result of unknown type ${JSON.stringify(type.slice(0, 40))}`);
    }
  }

  #error(text: string): string | GatewayError | undefined {
    const message: unknown = JSON.parse(text);
    const error = isObject(message) ? own(message, 'error') : undefined;
    if (!isObject(error)) return this.#wrong('a result whose type is no text');
    if (own(error, 'code') === ErrorCode.HeaderMismatch && this.#options.mismatched()) return undefined;
    return errorForModern(text, this.#options.meta.clientCapabilities).text;
  }

  /** Passes unopened, but for a look at whether the client can be asked this. */
  #asked(text: string): string | GatewayError {
    const { requests } = readInputRequired(text);
    for (const { needs } of requests) {
      const missing = missingOf(needs, this.#options.meta.clientCapabilities);
      if (missing !== undefined) return missingCapability(missing);
    }
    return text;
  }

  #wrong(what: string): GatewayError {
    return new GatewayError(
      Code.DownstreamProtocol,
      `Server "${this.#options.serverName}" answered with ${what}`,
    );
  }
}

/**
 * Whether an answer says once, and nowhere else, that it is complete: a search costs less than parsing what is only passed
 * on. Not sure, and so false, where the name may be written in another way.
 */
function saysComplete(body: string | Buffer): boolean {
  const at = body.indexOf(COMPLETE);
  if (at === -1 || body.indexOf(TYPE) !== at || body.includes('\\u00')) return false;
  return body.indexOf(TYPE, at + TYPE.length) === -1;
}

/** The same for the beginning of an answer that is too large to be searched. */
function saysCompleteEarly(head: Buffer): boolean {
  return EARLY.test(head.toString('latin1', 0, 1024));
}

const EARLY = /^\s*\{(?:"(?:jsonrpc|id)":(?:"[^"\\]*"|-?\d+),)*"result":\{"resultType":"complete"[,}]/;
