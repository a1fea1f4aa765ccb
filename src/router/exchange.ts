import type { Admission } from '../admission/admission.ts';
import type { PrincipalLoad } from '../admission/load.ts';
import type { Principal } from '../auth/principal.ts';
import type { Catalogs } from '../catalog/catalogs.ts';
import type { Page } from '../catalog/pages.ts';
import type { ListedEntry } from '../catalog/types.ts';
import type { View } from '../catalog/view.ts';
import type { CallJournal } from '../coordination/call-journal.ts';
import type { SessionStore } from '../coordination/session-store.ts';
import type { Breakers } from '../downstream/breaker.ts';
import type { AnswerSink, Connector, Deadlines, DownstreamServer } from '../downstream/port.ts';
import type { EventLog } from '../events/event.ts';
import type { Limited } from '../limits/limited.ts';
import type { Limits, Taken } from '../limits/limits.ts';
import { own, type RequestMessage, resultFrame, resultText } from '../protocol/envelope.ts';
import { Code, type GatewayError } from '../protocol/errors.ts';
import {
  type TraceContext,
  traceHeaders,
  traceIdOf,
  traceOf,
  traceOfHeaders,
  withTrace,
} from '../protocol/trace-context.ts';
import type { Session } from '../session/session.ts';
import type { Face, LogFields, Logger, Metrics, Outcome, Span, Tracing } from '../telemetry/types.ts';
import { callEvent, denialEvent, isCall } from './call-event.ts';
import { Denied } from './denied.ts';
import { aboutRequest, requestLine } from './request-log.ts';
import type { RunningCalls } from './running-calls.ts';
import { failureOf, methodLabel, operation } from './spans.ts';

/** What both eras' requests are served with. */
export interface ExchangeOptions {
  readonly catalogs: Catalogs;
  readonly connector: Connector;
  readonly logger: Logger;
  readonly admission: Admission;
  /** Absent: none are configured. */
  readonly limits?: Limits | undefined;
  readonly breakers: Breakers;
  readonly metrics: Metrics;
  /** Undefined: nothing is traced. */
  readonly tracing?: Tracing | undefined;
  readonly events: EventLog;
  readonly identity: { readonly name: string; readonly title: string; readonly version: string };
  readonly deadlines: Deadlines;
  readonly ownDeadlines: Deadlines;
  readonly maxJsonDepth: number;
}

export interface RouterOptions extends ExchangeOptions {
  readonly store: SessionStore;
  /** Calls that a client can come back for at other nodes; undefined for a gateway that is one node. */
  readonly running: RunningCalls | undefined;
  readonly journal: CallJournal;
  /** Another node may hold the stream that a new link's server has something to say on. */
  readonly tellLinked: (session: Session) => void;
  /** Another node may speak for this session to servers that keep none. Resolves when all know what its client wants. */
  readonly tellWants: (session: Session) => Promise<void>;
  /** Cancels a request that may run on another node. */
  readonly cancelElsewhere: (session: Session, requestKey: string) => void;
}

/** Where everything goes that a client gets for one request. */
export interface ClientSink extends AnswerSink {
  /**
   * Makes the answer a stream that the client can come back for, unless it is one. Returns the stream's id, or undefined
   * where that can't be, or is too late.
   */
  comeBack?(): string | undefined;
}

/** A request that a node which is gone has sent, to be run once more. */
export interface Again {
  /** Where it has to go again. */
  readonly serverId: string;
  /** The client's stream, under which the call is noted. */
  readonly streamId: string;
  /** As far as the client has been told. */
  readonly progress: number | undefined;
}

/** A tool that is called, and with what. */
export interface ToolCall {
  readonly listed: ListedEntry;
  readonly args: unknown;
}

export interface CallOptions {
  /** Where everything goes that comes of it; default: the exchange's own sink. */
  readonly client?: AnswerSink;
  readonly tool?: ToolCall;
  /** The server's own name or URI of what is asked for, where it is no tool. */
  readonly name?: string;
  /** It may be run again: the method only reads, or the tool says that it does, or that a second time changes nothing more. */
  readonly isRepeatable?: boolean;
}

/** Ends a request that is under way; as its client's wish, unless another reason is given. */
export interface UnderWay {
  cancel(reason?: GatewayError): void;
}

/** One request of a client on its way to an answer, of whichever era. */
export abstract class Exchange<Options extends ExchangeOptions = ExchangeOptions> {
  readonly message: RequestMessage;
  readonly options: Options;
  /** What exists for the client. */
  abstract readonly view: View;
  abstract readonly face: Face;
  abstract readonly principal: Principal;
  /** Where the answer goes; whoever uses it directly reports with {@link ended}. */
  abstract readonly sink: AnswerSink;
  /** Where it counts as under way, until it is over. */
  load: PrincipalLoad | undefined;
  /** The server's own name of what is asked for, where it is known. */
  subject: string | undefined;
  /** What limits have given for it, until it is over. */
  taken: Taken | undefined;
  /** Where it is traced. */
  span: Span | undefined;
  /** The trace context that it came with, where it goes on with it. */
  #carried: TraceContext | undefined;
  readonly #startedAt = performance.now();

  constructor(message: RequestMessage, options: Options) {
    this.message = message;
    this.options = options;
  }

  /** Finds out which trace it is part of, by what its client says, in `headers` by their names in lower case too. */
  join(headers: Readonly<Record<string, unknown>> | undefined): void {
    const said = headers && traceOfHeaders(headers);
    const { tracing } = this.options;
    if (tracing === undefined) {
      this.#carried = said;
      return;
    }
    const context = traceOf(this.message.params, said);
    this.span = tracing.asked(methodLabel(this.message.method), context);
    this.#carried = this.span === undefined ? said : context;
  }

  /** The request as it goes to a server: as part of `span`, else with the headers of its client's trace. */
  onward(request: RequestMessage, span: Span | undefined): RequestMessage {
    if (span !== undefined) return withTrace(request, { ...span.context, baggage: this.#carried?.baggage });
    return this.#carried === undefined ? request : { ...request, traced: traceHeaders(this.#carried) };
  }

  /** Sends the request to a server and everything that comes of it to the client. `text` is the request by the server's own names. */
  abstract relay(server: DownstreamServer, text: string, options?: CallOptions): void;

  /**
   * Asks a server and resolves with its answer as the client may see it. Rejects with DownstreamAnswerError for an error that
   * the server answers with, GatewayError where it does not answer.
   */
  abstract ask(server: DownstreamServer, deadlines: Deadlines, signal: AbortSignal): Promise<string>;

  /** The request is under way without a relay, until the returned function is called. Throws InvalidRequest where it already is. */
  abstract track(request: UnderWay): () => void;

  /** The gateway's own result, as JSON text. */
  abstract result(json: string, outcome?: Outcome): void;

  /** A node that is gone has sent it before. */
  get isAgain(): boolean {
    return false;
  }

  /** Tells sessions apart in the event log; of the modern era there are none. */
  get sessionMark(): string | undefined {
    return undefined;
  }

  /** For lines of the log about it. */
  get about(): LogFields {
    // Recorded or not: its client may have what it said of it.
    const traceId = this.span?.traceId ?? traceIdOf(traceOf(this.message.params, this.#carried));
    return aboutRequest(this.message, this.sessionMark, traceId);
  }

  /** Where the end of the request is told of before its client hears of it; undefined where it is not. */
  get events(): EventLog | undefined {
    return isCall(this.message.method) ? this.options.events : undefined;
  }

  /** An answer that is complete. */
  answer(text: string, outcome: Outcome = 'ok'): void {
    this.ended(outcome, undefined, undefined, Buffer.byteLength(text));
    const { events } = this;
    if (events === undefined) this.sink.answer(text);
    else events.answered(() => this.sink.answer(text));
  }

  /** A page of a list, stamped where it has to be. */
  page(json: Page): void {
    if (typeof json === 'string') return this.answer(resultText(this.message.id, json));
    this.ended('ok');
    const [before, after] = resultFrame(this.message.id);
    this.sink.begin(before.length + json.length + after.length);
    for (const part of [before, json, after]) this.sink.data(part);
    this.sink.end();
  }

  /** Before any server was asked. */
  fail(error: GatewayError): void {
    this.ended(outcomeOf(error), undefined, error);
    this.failed(error);
  }

  /** Tells the client, after {@link ended}. */
  protected failed(error: GatewayError): void {
    const { events } = this;
    if (events === undefined) this.sink.fail(error);
    else events.answered(() => this.sink.fail(error));
  }

  /** It is over a limit. Refusals are paced: whoever asks again at once is not to keep the node busy. */
  refuse(error: Limited): void {
    this.ended('limited');
    this.options.metrics.limited(error.limit);
    this.options.admission.refusals.tell(this.sink, error);
  }

  /**
   * Counts the request, and tells the event log of a call; `server` where one was asked, `askedAt` when, in milliseconds of
   * the monotonic clock, `tool` for which of those that it lists.
   */
  ended(
    outcome: Outcome,
    server?: string,
    error?: GatewayError,
    answerBytes?: number,
    askedAt = Infinity,
    tool?: string,
  ): void {
    this.over();
    const now = performance.now();
    const durationMs = now - this.#startedAt;
    const { events, message, principal, subject, sessionMark: session } = this;
    const { logger } = this.options;
    const isLogged = logger.enabled('debug');
    // As for all that is refused because there is too much: an event for each would be too much, too.
    const isEvent = events !== undefined && outcome !== 'limited';
    if (isLogged || isEvent) {
      const call = { message, principal, session, subject, server, outcome, error, durationMs, answerBytes };
      if (isLogged) logger.debug('a request is over', requestLine(call, this.about));
      if (isEvent) events.append(callEvent(call, events.wantsArguments));
    }
    if (outcome === 'denied') this.options.events.append(denialEvent(message, principal, session));
    const { metrics } = this.options;
    const { method } = this.message;
    metrics.request(method, outcome, durationMs / 1000, this.face);
    metrics.overhead((Math.min(askedAt, now) - this.#startedAt) / 1000, this.face);
    if (this.span !== undefined) this.#endSpan(this.span, outcome, server, error);
    if (server !== undefined)
      metrics.downstream(server, outcome, (now - Math.min(askedAt, now)) / 1000, method, tool);
  }

  #endSpan(span: Span, outcome: Outcome, server: string | undefined, error: GatewayError | undefined): void {
    const { method, params, id } = this.message;
    // Of what exists alone, or clients could make up as many names as they like.
    const asked = this.subject === undefined || params === undefined ? undefined : own(params, 'name');
    const name = typeof asked === 'string' ? asked : undefined;
    const { name: spanName, attributes } = operation(method, name);
    span.end(
      spanName,
      {
        ...attributes,
        'jsonrpc.request.id': String(id).slice(0, 128),
        'mcp.session.id': this.sessionMark,
        'network.transport': 'tcp',
        'network.protocol.name': 'http',
        server,
      },
      failureOf(outcome, error),
    );
    this.span = undefined;
  }

  /** It is no longer under way here. */
  over(): void {
    if (this.load !== undefined) this.options.admission.leave(this.load);
    this.load = undefined;
    this.taken?.leave();
    this.taken = undefined;
  }
}

export function outcomeOf(error: GatewayError): Outcome {
  if (error instanceof Denied) return 'denied';
  return error.code === Code.Cancelled ? 'cancelled' : 'error';
}
