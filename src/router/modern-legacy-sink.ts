import { ForwardingSink } from '../downstream/forwarding-sink.ts';
import type { AnswerSink } from '../downstream/port.ts';
import {
  errorText,
  type Id,
  isObject,
  type Message,
  own,
  type RequestMessage,
  replaceAt,
} from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { missingCapability } from '../protocol/modern/capabilities.ts';
import { errorForModern } from '../protocol/modern/error-translation.ts';
import { wantsLog } from '../protocol/modern/log-level.ts';
import type { Capabilities, RequestMeta } from '../protocol/modern/meta.ts';
import { isCacheable } from '../protocol/modern/methods.ts';
import {
  NOT_CACHED,
  RESULT_COMPLETE,
  type ResultStamp,
  resultStart,
  resultTypeOf,
  stampResponse,
} from '../protocol/modern/result.ts';
import { ErrorCode } from '../protocol/modern/wire-error.ts';

/** Enough of a large answer to see where its result begins. */
const HEAD_BYTES = 4096;

/**
 * Older servers stream answers of one message, too. A stream's head says 200 whatever comes, where many errors have a status
 * of their own, so for so long a client waits for the first message, in milliseconds: less than proxies allow.
 */
const HEAD_DELAY_MS = 5000;

export interface LegacyAnswerOptions {
  /** As the client sent it. */
  readonly request: RequestMessage;
  /** Under which id, and with which progress token, the server knows the request. */
  readonly sentAs: Id;
  readonly meta: RequestMeta;
  readonly serverName: string;
  /** Who answers, as JSON text of its `Implementation`. */
  readonly serverInfo: string;
  /** A request of the server's, in the middle of this one. */
  readonly asked: (request: RequestMessage) => void;
  /** What the server says that is not about this request. */
  readonly heard: (message: Message) => void;
}

/** The answer of a legacy server on its way to a modern client: results say of which type they are, ids and errors are the client's. */
export class LegacyAnswerSink extends ForwardingSink {
  readonly #options: LegacyAnswerOptions;
  readonly #stamp: ResultStamp;
  #length: number | undefined;
  #isPassing = false;
  #chunks: Buffer[] = [];
  #held = 0;
  #opening: NodeJS.Timeout | undefined;
  #missing: Capabilities | undefined;

  constructor(client: AnswerSink, options: LegacyAnswerOptions) {
    super(client);
    this.#options = options;
    const { serverInfo, request } = options;
    const cache = { fallback: NOT_CACHED, isPrivate: true };
    this.#stamp = isCacheable(request.method) ? { serverInfo, cache } : { serverInfo };
  }

  /** The server wanted what the client has not declared, and was refused: where it fails now, that is why. */
  refused(missing: Capabilities): void {
    this.#missing = { ...this.#missing, ...missing };
  }

  override openStream(): void {
    this.#opening ??= setTimeout(() => this.client.openStream(), HEAD_DELAY_MS);
    this.#opening.unref();
  }

  override fail(error: GatewayError): void {
    clearTimeout(this.#opening);
    this.client.fail(error);
  }

  override message(_text: string, message: Message): boolean {
    if (message.kind === 'request') {
      this.#options.asked(message);
      return true;
    }
    if (message.kind !== 'notification') return true;
    const text = this.#notification(message);
    return text === undefined || this.client.message(text, message);
  }

  override moveTo(): void {}

  override answer(body: string | Buffer): void {
    clearTimeout(this.#opening);
    let translated: string | undefined;
    try {
      translated = this.#translated(body.toString());
    } catch {
      // Of a large answer only the beginning was looked at.
    }
    if (translated !== undefined) return this.client.answer(translated);
    const reason = `Server "${this.#options.serverName}" answered what is not a JSON-RPC response`;
    this.client.fail(new GatewayError(Code.DownstreamProtocol, reason));
  }

  override begin(length: number | undefined): void {
    clearTimeout(this.#opening);
    this.#length = length;
  }

  override data(chunk: Buffer): boolean {
    if (this.#isPassing) return this.client.data(chunk);
    this.#chunks.push(chunk);
    this.#held += chunk.length;
    if (this.#chunks.length > 1 && this.#held - chunk.length >= HEAD_BYTES) return true;
    const held = Buffer.concat(this.#chunks);
    const begun = this.#begun(held);
    if (begun === undefined) return true;
    this.#chunks = [];
    this.#isPassing = true;
    this.client.begin(this.#length === undefined ? undefined : this.#length + begun.length - held.length);
    return this.client.data(begun);
  }

  override end(): void {
    if (this.#isPassing) return this.client.end();
    const body = Buffer.concat(this.#chunks);
    this.#chunks = [];
    this.answer(body);
  }

  #notification(message: Extract<Message, { kind: 'notification' }>): string | undefined {
    const { meta, sentAs, heard } = this.#options;
    const { method, params } = message;
    switch (method) {
      case 'notifications/progress':
        if (params === undefined || own(params, 'progressToken') !== sentAs) return undefined;
        return replaceAt(message, ['params', 'progressToken'], JSON.stringify(meta.progressToken));
      case 'notifications/message':
        return wantsLog(meta.logLevel, params && own(params, 'level')) ? message.text : undefined;
      case 'notifications/tools/list_changed':
      case 'notifications/prompts/list_changed':
      case 'notifications/resources/list_changed':
      case 'notifications/resources/updated':
        heard(message);
        return undefined;
      case 'notifications/cancelled':
      case 'notifications/elicitation/complete':
      case 'notifications/tasks/status':
        return undefined;
      default:
        return message.text;
    }
  }

  #translated(text: string): string | undefined {
    const { request, meta } = this.#options;
    if (this.#missing !== undefined && isFailure(text)) {
      const { message, data } = missingCapability(this.#missing);
      return errorText(request.id, ErrorCode.MissingRequiredClientCapability, message, data);
    }
    const own = replaceAt({ text }, ['id'], JSON.stringify(request.id));
    if (own === undefined) return undefined;
    const type = resultTypeOf(own);
    if (type === undefined) {
      return own.includes('"error"') ? errorForModern(own, meta.clientCapabilities).text : undefined;
    }
    // Older servers have no such member; one that has it means something that nobody here knows.
    if (type !== 'complete') return undefined;
    return stampResponse(own, this.#stamp);
  }

  /** The beginning of a large answer, changed; undefined where it does not show what has to be changed. */
  #begun(held: Buffer): Buffer | undefined {
    const head = held.toString('latin1', 0, HEAD_BYTES);
    const start = resultStart(head);
    if (start === undefined) return undefined;
    const { request, sentAs } = this.#options;
    const id = `"id":${JSON.stringify(sentAs)}`;
    const at = head.indexOf(id);
    if (at === -1 || at + id.length > start) return undefined;
    const { cache } = this.#stamp;
    const hints =
      cache === undefined
        ? ''
        : `"ttlMs":${cache.fallback.ttlMs},"cacheScope":${JSON.stringify(cache.fallback.cacheScope)},`;
    return Buffer.concat([
      held.subarray(0, at),
      Buffer.from(`"id":${JSON.stringify(request.id)}`),
      held.subarray(at + id.length, start),
      Buffer.from(RESULT_COMPLETE + hints),
      held.subarray(start),
    ]);
  }
}

/** An error, or the result of a tool that says it failed. */
function isFailure(text: string): boolean {
  const response: unknown = JSON.parse(text);
  if (!isObject(response)) return false;
  const result = own(response, 'result');
  return isObject(result) ? own(result, 'isError') === true : own(response, 'error') !== undefined;
}
