import {
  errorText,
  type Id,
  type Message,
  notificationText,
  own,
  parseMessage,
  type RequestMessage,
  type ResponseMessage,
  requestText,
} from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { protocolError } from './http-errors.ts';
import type { AnswerSink, Deadlines, DownstreamLink } from './port.ts';

/** Our own messages are flat; downstream answers that we read ourselves are bounded by this. */
export const MAX_ANSWER_DEPTH = 512;

let lastId = 0;

/** A request of the gateway's own, in a form that can't be mistaken for a client's. */
export function ownRequest(method: string, params?: unknown): RequestMessage {
  const message = parseMessage(requestText(`dragon-${++lastId}`, method, params), MAX_ANSWER_DEPTH);
  if (message.kind !== 'request') throw new TypeError('not a request');
  return message;
}

export function ownNotification(method: string, params?: unknown): Message {
  return parseMessage(notificationText(method, params), MAX_ANSWER_DEPTH);
}

/** The answer to a request of a server's that nobody here can answer. */
export function ownRefusal(id: Id, reason: string): Message {
  return parseMessage(errorText(id, -32601, reason), MAX_ANSWER_DEPTH);
}

/** An error that a server answered with; `code` and `message` are the server's own. */
export class DownstreamAnswerError extends Error {
  override readonly name = 'DownstreamAnswerError';
  readonly code: number;
  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

type Callable = Pick<DownstreamLink, 'request' | 'send'> & { readonly server: { readonly name: string } };

/**
 * A request of the gateway's own and its answer, with the answer's text. Throws {@link DownstreamAnswerError} when the server
 * answers with an error, GatewayError when it does not answer.
 */
export function call(
  link: Callable,
  request: RequestMessage,
  deadlines: Deadlines,
  signal: AbortSignal,
): Promise<ResponseMessage> {
  return ask(link, request, deadlines, signal, readResponse);
}

/** The same with the answer as text, whatever it says. */
export function callForText(
  link: Callable,
  request: RequestMessage,
  deadlines: Deadlines,
  signal: AbortSignal,
): Promise<string> {
  return ask(link, request, deadlines, signal, (body) => body);
}

function ask<T>(
  link: Callable,
  request: RequestMessage,
  deadlines: Deadlines,
  signal: AbortSignal,
  read: (body: string, serverName: string) => T,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    const sink = new CollectingSink(
      link.server.name,
      read,
      (outcome) => {
        over = true;
        signal.removeEventListener('abort', abort);
        if (outcome instanceof Error) reject(outcome);
        else resolve(outcome.value);
      },
      (asked) => link.send(ownRefusal(asked.id, 'No client is connected that could answer')),
    );
    const abort = () => cancel(new GatewayError(Code.Cancelled, 'Cancelled', { cause: signal.reason }));
    const cancel = link.request(request, sink, deadlines);
    // A server in the same process may have answered before `request` returns.
    if (over) return;
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true });
  });
}

/** What an answer says. Throws {@link DownstreamAnswerError} where that is an error, GatewayError for what is no answer. */
export function readResponse(body: string, serverName: string): ResponseMessage {
  let message: Message;
  try {
    message = parseMessage(body, MAX_ANSWER_DEPTH);
    if (message.kind !== 'response') throw new TypeError('not a response');
  } catch (cause) {
    throw noResponse(serverName, cause);
  }
  if (message.error !== undefined) throw answerError(message.error);
  return message;
}

function noResponse(serverName: string, cause: unknown): GatewayError {
  return protocolError(serverName, 'what is not a JSON-RPC response', cause);
}

type Outcome<T> = Error | { readonly value: T };

/** Reads an answer whole. Of the messages before it only requests matter: the server waits for their answer. */
export class CollectingSink<T> implements AnswerSink {
  drained: (() => void) | undefined;
  readonly #serverName: string;
  readonly #read: (body: string, serverName: string) => T;
  readonly #settle: (outcome: Outcome<T>) => void;
  readonly #refuse: (request: RequestMessage) => void;
  #chunks: Buffer[] = [];
  #done = false;

  /** `read`: makes of the answer's text what is wanted of it, or throws. */
  constructor(
    serverName: string,
    read: (body: string, serverName: string) => T,
    settle: (outcome: Outcome<T>) => void,
    refuse: (request: RequestMessage) => void,
  ) {
    this.#serverName = serverName;
    this.#read = read;
    this.#settle = settle;
    this.#refuse = refuse;
  }

  openStream(): void {}

  message(_text: string, message: Message): boolean {
    if (message.kind === 'request') this.#refuse(message);
    return true;
  }

  begin(): void {}

  data(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    this.answer(Buffer.concat(this.#chunks));
  }

  answer(body: string | Buffer): void {
    try {
      this.#finish({ value: this.#read(body.toString(), this.#serverName) });
    } catch (error) {
      this.#finish(error instanceof Error ? error : noResponse(this.#serverName, error));
    }
  }

  fail(error: GatewayError): void {
    this.#finish(error);
  }

  #finish(outcome: Outcome<T>): void {
    if (this.#done) return;
    this.#done = true;
    this.#chunks = [];
    this.#settle(outcome);
  }
}

function answerError(error: unknown): DownstreamAnswerError {
  const fields = typeof error === 'object' && error !== null ? (error as Record<string, unknown>) : {};
  const code = own(fields, 'code');
  const message = own(fields, 'message');
  return new DownstreamAnswerError(
    typeof code === 'number' ? code : -32603,
    typeof message === 'string' ? message : 'an error without a message',
  );
}
