import { randomUUID } from 'node:crypto';
import { ownNotification } from '../downstream/call.ts';
import { callDeadlines } from '../downstream/call-deadlines.ts';
import { ConnectionLost } from '../downstream/connection-lost.ts';
import type {
  AnswerSink,
  Deadlines,
  DownstreamLink,
  DownstreamServer,
  Mirrored,
} from '../downstream/port.ts';
import { type Id, type RequestMessage, replaceAt } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Outcome } from '../telemetry/types.ts';
import type { Conversation } from './conversation.ts';
import type { Again, CallOptions, ClientSink, Exchange, RouterOptions } from './exchange.ts';
import { mirroredOf } from './mirrored.ts';
import { RelaySink } from './relay-sink.ts';
import { RewriteSink } from './rewrite-sink.ts';
import type { RunningCall } from './running-calls.ts';

/** Before a call is run again, in milliseconds: its server may be on its way back. */
const PAUSE_MS = 200;

/** A request in a session. */
export interface SessionRequest extends Exchange<RouterOptions> {
  readonly conversation: Conversation;
  readonly sink: ClientSink;
  /** Absent for a request that has just come. */
  readonly again: Again | undefined;
}

/** One request at a server until its answer; run again, once, where its connection is lost and that is safe. */
export class ServerCall implements RunningCall {
  readonly startedAt = performance.now();
  readonly isRepeatable: boolean;
  readonly #exchange: SessionRequest;
  readonly #server: DownstreamServer;
  readonly #text: string;
  readonly #key: string;
  readonly #mirrored: Mirrored | undefined;
  readonly #sink: RelaySink;
  readonly #deadlines: Deadlines;
  /** Under which the request was sent last, by this node or the one before. */
  #sentAs: Id | undefined;
  #isSecondRun = false;
  #isFailureCounted = false;
  /** Nobody has the request yet, or now. */
  #isWaiting = true;
  #cancelled: GatewayError | undefined;
  #isOver = false;
  #pause: NodeJS.Timeout | undefined;
  #cancelRequest: ((reason: GatewayError) => void) | undefined;

  /** `text` is the request as the server is to see it; `key` its id as JSON text. */
  constructor(
    exchange: SessionRequest,
    server: DownstreamServer,
    text: string,
    key: string,
    call: CallOptions,
  ) {
    const { again, options } = exchange;
    const { client = exchange.sink, tool, isRepeatable = false } = call;
    this.isRepeatable = isRepeatable;
    this.#exchange = exchange;
    this.#server = server;
    this.#text = text;
    this.#key = key;
    this.#mirrored = mirroredOf(call);
    this.#deadlines = callDeadlines(options.deadlines, server, tool?.listed.key);
    this.#sentAs = again === undefined ? undefined : exchange.message.id;
    this.#sink = new RelaySink(client, {
      conversation: exchange.conversation,
      server,
      onEnd: (outcome, error) => this.#ended(outcome, error),
      isShared: options.running !== undefined,
      ...(isRepeatable
        ? {
            again: (error: GatewayError) => this.#runAgain(error),
            repeats: { progress: again?.progress },
          }
        : {}),
    });
  }

  get sessionId(): string {
    return this.#exchange.conversation.session.id;
  }

  get serverId(): string {
    return this.#server.id;
  }

  get request(): string {
    return this.#exchange.message.text;
  }

  get totalMs(): number {
    return this.#deadlines.totalMs;
  }

  get notedAs(): string | undefined {
    return this.#exchange.again?.streamId;
  }

  comeBack(): string | undefined {
    return this.#exchange.sink.comeBack?.();
  }

  run(): void {
    const { session, links } = this.#exchange.conversation;
    session.inFlight.set(this.#key, this);
    const open = links.now(this.#server);
    if (open !== undefined) return this.#send(open);
    links.get(this.#server).then(
      (link) => {
        if (!this.#isOver) this.#send(link);
      },
      (error) => {
        if (!this.#isOver) this.#sink.fail(GatewayError.from(error));
      },
    );
  }

  cancel(reason = cancelled()): void {
    if (this.#isOver) return;
    this.#cancelled = reason;
    clearTimeout(this.#pause);
    if (this.#isWaiting) this.#sink.fail(reason);
    else this.#cancelRequest?.(reason);
  }

  #send(link: DownstreamLink): void {
    const { message } = this.#exchange;
    this.#isWaiting = false;
    this.#cancelRequest = undefined;
    let request: RequestMessage = this.#text === message.text ? message : { ...message, text: this.#text };
    let sink: AnswerSink = this.#sink;
    if (this.#sentAs !== undefined) [request, sink] = this.#renewed(link, request, this.#sentAs);
    this.#sentAs = request.id;
    // A server in the same process may have answered, or the client cancelled, before `request` returns.
    const deadlines = this.#isSecondRun ? this.#left() : this.#deadlines;
    const cancelRequest = link.request(request, sink, deadlines, this.#mirrored);
    this.#cancelRequest = cancelRequest;
    if (this.#cancelled !== undefined) cancelRequest(this.#cancelled);
  }

  /** An id is used once in a session, and the first run may still be under way: the second has another. */
  #renewed(link: DownstreamLink, request: RequestMessage, sentAs: Id): [RequestMessage, AnswerSink] {
    // Only where ids are those that we send: on a pipe that sessions share the number would be somebody else's.
    if (link.portable !== undefined) {
      const reason = 'Its connection was lost; it is sent again';
      link.send(ownNotification('notifications/cancelled', { requestId: sentAs, reason }));
    }
    const id = `again-${randomUUID()}`;
    const text = withId(request.text, id);
    const sink = new RewriteSink(this.#sink, (answer) => withId(answer, request.id));
    return [{ ...request, id, text }, sink];
  }

  /** Whether this failure is not the end of it. */
  #runAgain(error: GatewayError): boolean {
    const { options } = this.#exchange;
    const hasRunTwice = this.#isSecondRun || this.#exchange.again !== undefined;
    if (!(error instanceof ConnectionLost) || hasRunTwice || this.#left().totalMs <= PAUSE_MS) return false;
    const breaker = options.breakers.of(this.#server);
    breaker.failed(error);
    this.#isFailureCounted = true;
    if (breaker.refusal() !== undefined) return false;
    this.#isFailureCounted = false;
    this.#isSecondRun = true;
    this.#isWaiting = true;
    this.#sink.restart();
    options.logger.info('a call is run again: its connection was lost', {
      server: this.#server.name,
      method: this.#exchange.message.method,
      reason: error.message,
    });
    this.#pause = setTimeout(() => this.run(), PAUSE_MS);
    this.#pause.unref();
    return true;
  }

  /** What is left of its time. */
  #left(): Deadlines {
    const { idleMs, totalMs } = this.#deadlines;
    const left = Math.max(0, totalMs - (performance.now() - this.startedAt));
    return { idleMs: Math.min(idleMs, left), totalMs: left };
  }

  #ended(outcome: Outcome, error: GatewayError | undefined): void {
    const { conversation, options } = this.#exchange;
    this.#isOver = true;
    const breaker = options.breakers.of(this.#server);
    if (error === undefined) breaker.succeeded();
    else if (!this.#isFailureCounted) breaker.failed(error);
    conversation.session.inFlight.delete(this.#key);
    conversation.session.lastUsed = Date.now();
    options.running?.end(this);
    this.#exchange.ended(outcome, this.#server.name);
  }
}

function cancelled(): GatewayError {
  return new GatewayError(Code.Cancelled, 'Cancelled by the client');
}

function withId(text: string, id: Id): string {
  const replaced = replaceAt({ text }, ['id'], JSON.stringify(id));
  if (replaced === undefined) throw new GatewayError(Code.InvalidRequest, 'Invalid Request: no single id');
  return replaced;
}
