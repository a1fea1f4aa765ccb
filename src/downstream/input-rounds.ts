import { randomUUID } from 'node:crypto';
import {
  errorText,
  isObject,
  type Message,
  own,
  parseMessage,
  type RequestMessage,
  type ResponseMessage,
  replaceAt,
} from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { locate } from '../protocol/json-text.ts';
import { missingOf } from '../protocol/modern/capabilities.ts';
import { errorForLegacy } from '../protocol/modern/error-translation.ts';
import { type InputRequest, legacyRequestText, readInputRequired } from '../protocol/modern/input-request.ts';
import { retryText } from '../protocol/modern/input-required.ts';
import { callResponseForLegacy } from '../protocol/modern/legacy-view.ts';
import type { Capabilities } from '../protocol/modern/meta.ts';
import { isMultiRound } from '../protocol/modern/methods.ts';
import { resultTypeOf } from '../protocol/modern/result.ts';
import { ErrorCode } from '../protocol/modern/wire-error.ts';
import { Deadline } from './deadline.ts';
import { protocolError } from './http-errors.ts';
import type { InputAnswers } from './input-answers.ts';
import type { ModernLink } from './modern-port.ts';
import type { AnswerSink, CancelRequest, Deadlines, Mirrored } from './port.ts';

const MAX_DEPTH = 512;

/** More often nobody is asked in one call: a server that goes on like that has lost its way. */
const MAX_ROUNDS = 32;

/** Before a server is asked again that wants nothing but to be asked again, in milliseconds, times the round. */
const POLL_MS = 100;

const CANCELLED_ELICITATION = '{"action":"cancel"}';

export interface RoundsOptions {
  readonly link: ModernLink;
  readonly answers: InputAnswers;
  readonly session: string | undefined;
  readonly clientCapabilities: Capabilities;
}

/**
 * One request of a legacy client's at a modern server. Where the server wants input first, the client is asked as a legacy
 * server would ask it, and its answers go back with the request, sent anew (2026-07-28, multi round-trip requests).
 */
export class InputRounds implements AnswerSink {
  drained: (() => void) | undefined;
  readonly #options: RoundsOptions;
  /** As the client sent it: the id in all that it gets. */
  readonly #request: RequestMessage;
  readonly #sink: AnswerSink;
  readonly #deadlines: Deadlines;
  #mirrored: Mirrored | undefined;
  #hasRenewed = false;
  /** As it was sent last. */
  #current: RequestMessage;
  readonly #startedAt = performance.now();
  #round = 0;
  #cancel: CancelRequest | undefined;
  /** While the client is asked, or the next round waits. */
  #waiting: Deadline | undefined;
  #timer: NodeJS.Timeout | undefined;
  readonly #asked = new Set<string>();
  #isOver = false;

  /** `request`: with the text that the server is to see. */
  constructor(
    options: RoundsOptions,
    request: RequestMessage,
    sink: AnswerSink,
    deadlines: Deadlines,
    mirrored: Mirrored | undefined,
  ) {
    this.#options = options;
    this.#request = request;
    this.#current = request;
    this.#sink = sink;
    this.#deadlines = deadlines;
    this.#mirrored = mirrored;
  }

  start(): CancelRequest {
    this.#send(this.#request);
    return (reason) => this.#end(reason);
  }

  openStream(): void {
    this.#sink.openStream();
  }

  message(text: string, message: Message): boolean {
    return this.#sink.message(text, message);
  }

  begin(length: number | undefined): void {
    // Its id may be longer or shorter than the client's.
    this.#sink.begin(this.#round === 0 ? length : undefined);
  }

  data(chunk: Buffer): boolean {
    return this.#sink.data(chunk);
  }

  end(): void {
    this.#settle();
    this.#sink.end();
  }

  answer(body: string | Buffer): void {
    try {
      this.#read(body.toString());
    } catch (thrown) {
      this.fail(GatewayError.from(thrown));
    }
  }

  fail(error: GatewayError): void {
    if (this.#isOver) return;
    this.#settle();
    this.#sink.fail(error);
  }

  #send(request: RequestMessage): void {
    this.#current = request;
    const { totalMs, idleMs } = this.#deadlines;
    const left = Math.max(1, totalMs - (performance.now() - this.#startedAt));
    // Whoever reads slowly holds up the server of the round that is under way.
    this.#sink.drained = () => this.drained?.();
    this.#cancel = undefined;
    const cancel = this.#options.link.request(
      request,
      this,
      { idleMs: Math.min(idleMs, left), totalMs: left },
      this.#mirrored,
    );
    if (!this.#isOver && this.#waiting === undefined) this.#cancel = cancel;
  }

  #read(text: string): void {
    const { method } = this.#request;
    const type = resultTypeOf(text);
    if (type === 'input_required' && isMultiRound(method)) return this.#ask(text);
    if (type !== undefined && type !== 'complete')
      throw protocolError(this.#serverName, `a result of the type ${JSON.stringify(type.slice(0, 40))}`);
    if (type === undefined && this.#renewsHeaders(text)) return;
    this.#settle();
    const own = this.#round === 0 ? text : withId(text, JSON.stringify(this.#request.id));
    if (type === undefined) this.#sink.answer(errorForLegacy(own, method));
    else this.#sink.answer(method === 'tools/call' ? callResponseForLegacy(own) : own);
  }

  /** The server wants other headers than its list told: the list is read anew, and the request sent once more (2026-07-28, transports: Client Behavior). */
  #renewsHeaders(text: string): boolean {
    const renewed = this.#mirrored?.renewed;
    if (renewed === undefined || this.#hasRenewed || !isHeaderMismatch(text)) return false;
    this.#hasRenewed = true;
    this.#wait();
    renewed().then(
      (mirrored) => {
        if (this.#isOver) return;
        this.#goOn();
        this.#mirrored = mirrored ?? this.#mirrored;
        this.#send(this.#current);
      },
      (error) => this.fail(GatewayError.from(error)),
    );
    return true;
  }

  /** The server is done for now, and the call is not. */
  #wait(): void {
    this.#cancel = undefined;
    const left = Math.max(1, this.#deadlines.totalMs - (performance.now() - this.#startedAt));
    this.#waiting = new Deadline(
      { idleMs: left, totalMs: left },
      (error) => this.#end(error),
      this.#serverName,
    );
  }

  #goOn(): void {
    this.#waiting?.clear();
    this.#waiting = undefined;
  }

  #ask(text: string): void {
    const { requests, requestState } = readInputRequired(text);
    if (++this.#round > MAX_ROUNDS)
      throw protocolError(this.#serverName, `${MAX_ROUNDS} times with a question in place of a result`);
    for (const { method, needs } of requests) {
      if (missingOf(needs, this.#options.clientCapabilities) !== undefined)
        throw protocolError(this.#serverName, `with ${method}, which its client has not said it can do`);
    }
    const answers = new Map<string, string>();
    this.#wait();
    if (requests.length === 0) {
      this.#timer = setTimeout(() => this.#retry(requests, answers, requestState), POLL_MS * this.#round);
      return;
    }
    for (const request of requests) this.#askOne(request, requests, answers, requestState);
  }

  #askOne(
    request: InputRequest,
    requests: readonly InputRequest[],
    answers: Map<string, string>,
    requestState: string | undefined,
  ): void {
    const id = this.#options.answers.expect(this.#options.session, (answer) => {
      this.#asked.delete(id);
      const given = answerText(request, answer);
      if (given instanceof GatewayError) return this.#refused(given);
      answers.set(request.key, given);
      if (answers.size === requests.length) this.#retry(requests, answers, requestState);
    });
    this.#asked.add(id);
    const text = legacyRequestText(request, JSON.stringify(id), randomUUID());
    this.#sink.message(text, parseMessage(text, MAX_DEPTH));
  }

  #retry(
    requests: readonly InputRequest[],
    answers: ReadonlyMap<string, string>,
    requestState: string | undefined,
  ): void {
    if (this.#isOver) return;
    this.#goOn();
    const id = randomUUID();
    const given = requests.map(({ key }) => [key, answers.get(key) ?? '{}'] as const);
    const text = retryText(this.#request.text, JSON.stringify(id), given, requestState);
    if (text === undefined)
      return this.fail(new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice'));
    this.#send({ ...this.#request, id, text });
  }

  /** The client will not or cannot: what the server waits for does not come. */
  #refused(error: GatewayError): void {
    if (this.#isOver) return;
    this.#settle();
    this.#sink.answer(errorText(this.#request.id, -32603, error.message));
  }

  #end(reason: GatewayError): void {
    if (this.#isOver) return;
    const cancel = this.#cancel;
    // The link fails this sink with the reason.
    if (cancel !== undefined) return cancel(reason);
    this.fail(reason);
  }

  #settle(): void {
    this.#isOver = true;
    this.#waiting?.clear();
    clearTimeout(this.#timer);
    for (const id of this.#asked) this.#options.answers.forget(id);
    this.#asked.clear();
  }

  get #serverName(): string {
    return this.#options.link.server.name;
  }
}

/** What a client answered, as JSON text; an error where it refuses what cannot be refused in a result. */
function answerText(request: InputRequest, answer: ResponseMessage): string | GatewayError {
  const span = answer.error === undefined ? locate(answer.text, ['result']) : undefined;
  if (span !== undefined) return answer.text.slice(span.start, span.end);
  if (request.method === 'elicitation/create') return CANCELLED_ELICITATION;
  const said = isObject(answer.error) ? own(answer.error, 'message') : undefined;
  const reason = typeof said === 'string' ? said.slice(0, 200) : 'no reason given';
  return new GatewayError(
    Code.InvalidRequest,
    `The client did not do what the server asked for (${request.method}): ${reason}`,
  );
}

function isHeaderMismatch(text: string): boolean {
  if (!text.includes(String(ErrorCode.HeaderMismatch))) return false;
  const response: unknown = JSON.parse(text);
  const error = isObject(response) ? own(response, 'error') : undefined;
  return isObject(error) && own(error, 'code') === ErrorCode.HeaderMismatch;
}

function withId(text: string, id: string): string {
  return replaceAt({ text }, ['id'], id) ?? text;
}
