import { randomUUID } from 'node:crypto';
import type { Breaker } from '../downstream/breaker.ts';
import { ownNotification } from '../downstream/call.ts';
import { callDeadlines } from '../downstream/call-deadlines.ts';
import type {
  AnswerSink,
  Deadlines,
  DownstreamLink,
  DownstreamServer,
  Mirrored,
} from '../downstream/port.ts';
import type { EventLog } from '../events/event.ts';
import { type Id, type RequestMessage, replaceAt } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Place } from '../session/waiting-line.ts';
import type { Outcome } from '../telemetry/types.ts';
import type { Conversation } from './conversation.ts';
import type { Again, CallOptions, ClientSink, Exchange, RouterOptions, ToolCall } from './exchange.ts';
import { mirroredOf } from './mirrored.ts';
import { type RelayOwner, RelaySink } from './relay-sink.ts';
import { RewriteSink } from './rewrite-sink.ts';
import { RisingProgress } from './rising-progress.ts';
import type { RunningCall } from './running-calls.ts';
import { SecondRun } from './second-run.ts';
import { askedServer } from './spans.ts';

/** A request in a session. */
export interface SessionRequest extends Exchange<RouterOptions> {
  readonly conversation: Conversation;
  readonly sink: ClientSink;
  /** Absent for a request that has just come. */
  readonly again: Again | undefined;
}

/** One request at a server until its answer; run again, once, where its connection is lost and that is safe. */
export class ServerCall implements RunningCall, RelayOwner {
  readonly startedAt = performance.now();
  readonly isRepeatable: boolean;
  place: Place<RunningCall> | undefined;
  readonly server: DownstreamServer;
  readonly progress: RisingProgress | undefined;
  readonly #exchange: SessionRequest;
  readonly #breaker: Breaker;
  readonly #text: string;
  readonly #key: string;
  readonly #mirrored: Mirrored | undefined;
  readonly #sink: RelaySink;
  readonly #deadlines: Deadlines;
  /** The server's own name of the tool, where it is one. */
  readonly #tool: string | undefined;
  /** Where it is traced. */
  readonly #asked: ReturnType<typeof askedServer> | undefined;
  #secondRun: SecondRun | undefined;
  /** Under which the request was sent last, by this node or the one before. */
  #sentAs: Id | undefined;
  /** Nobody has the request yet, or now. */
  #isWaiting = true;
  #cancelled: GatewayError | undefined;
  #isOver = false;
  #cancelRequest: ((reason: GatewayError) => void) | undefined;

  /** `text` is the request as the server is to see it; `key` its id as JSON text; `breaker` has let it through. */
  constructor(
    exchange: SessionRequest,
    server: DownstreamServer,
    text: string,
    key: string,
    call: CallOptions,
    breaker: Breaker,
  ) {
    const { again, options } = exchange;
    const { client = exchange.sink, tool, isRepeatable = false } = call;
    this.isRepeatable = isRepeatable;
    this.#exchange = exchange;
    this.server = server;
    this.#breaker = breaker;
    this.#text = text;
    this.#key = key;
    this.#tool = tool?.listed.key;
    const { span, message } = exchange;
    if (span !== undefined) this.#asked = askedServer(span, message.method, server, this.#tool ?? call.name);
    this.#mirrored = mirroredOf(call, tool && (() => this.#newest(tool, call)));
    this.#deadlines = callDeadlines(options.deadlines, server, tool?.listed.key);
    this.#sentAs = again === undefined ? undefined : exchange.message.id;
    this.progress = isRepeatable ? new RisingProgress(again?.progress) : undefined;
    this.#sink = new RelaySink(client, this);
  }

  get conversation(): Conversation {
    return this.#exchange.conversation;
  }

  get events(): EventLog | undefined {
    return this.#exchange.events;
  }

  get isShared(): boolean {
    return this.#exchange.options.running !== undefined;
  }

  get sessionId(): string {
    return this.#exchange.conversation.session.id;
  }

  get serverId(): string {
    return this.server.id;
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
    const open = links.now(this.server);
    if (open !== undefined) return this.#send(open);
    links.get(this.server).then(
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
    this.#secondRun?.cancel();
    if (this.#isWaiting) this.#sink.fail(reason);
    else this.#cancelRequest?.(reason);
  }

  /** For a node that stops: whether another goes on with it where its client comes back. Then nothing more is done here. */
  leave(): boolean {
    const { conversation, options } = this.#exchange;
    if (this.#isOver || options.running?.leave(this) !== true) return false;
    this.#isOver = true;
    this.#secondRun?.cancel();
    conversation.session.inFlight.delete(this.#key);
    this.#exchange.over();
    return true;
  }

  #send(link: DownstreamLink): void {
    const { message } = this.#exchange;
    this.#isWaiting = false;
    this.#cancelRequest = undefined;
    let request: RequestMessage = this.#text === message.text ? message : { ...message, text: this.#text };
    request = this.#exchange.onward(request, this.#asked?.span);
    let sink: AnswerSink = this.#sink;
    if (this.#sentAs !== undefined) [request, sink] = this.#renewed(link, request, this.#sentAs);
    this.#sentAs = request.id;
    // A server in the same process may have answered, or the client cancelled, before `request` returns.
    const deadlines = this.#secondRun?.hasBegun ? this.#left() : this.#deadlines;
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

  /** Whether a failure is not the end: of what is run again already it is. */
  again(error: GatewayError): boolean {
    const { again, message, options } = this.#exchange;
    if (this.progress === undefined || again !== undefined) return false;
    this.#secondRun ??= new SecondRun({
      server: this.server,
      method: message.method,
      about: this.#exchange.about,
      options,
      progress: this.progress,
      leftMs: () => this.#left().totalMs,
      run: () => this.run(),
    });
    this.#isWaiting = this.#secondRun.follows(error);
    return this.#isWaiting;
  }

  /** Headers as the server's list wants them now. Undefined where the tool is gone. */
  async #newest(tool: ToolCall, call: CallOptions): Promise<Mirrored | undefined> {
    const { conversation, options } = this.#exchange;
    options.logger.info('a server finds headers wrong: its list is read anew', {
      ...this.#exchange.about,
      server: this.server.name,
    });
    const entry = await conversation.view.entry(this.server.id, true);
    const listed = entry?.catalog?.tools.find(({ key }) => key === tool.listed.key);
    return listed && mirroredOf({ ...call, tool: { ...tool, listed } });
  }

  /** What is left of its time. */
  #left(): Deadlines {
    const { idleMs, totalMs } = this.#deadlines;
    const left = Math.max(0, totalMs - (performance.now() - this.startedAt));
    return { idleMs: Math.min(idleMs, left), totalMs: left };
  }

  onEnd(outcome: Outcome, error?: GatewayError, bytes?: number): void {
    const { conversation, options } = this.#exchange;
    this.#isOver = true;
    if (error === undefined) this.#breaker.succeeded();
    else this.#breaker.failed(error);
    conversation.session.inFlight.delete(this.#key);
    conversation.session.lastUsed = Date.now();
    options.running?.end(this);
    this.#asked?.end(outcome, error);
    this.#exchange.ended(outcome, this.server.name, error, bytes, this.startedAt, this.#tool);
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
