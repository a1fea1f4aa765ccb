import type { ListedEntry } from '../catalog/types.ts';
import type { Breaker } from '../downstream/breaker.ts';
import { callDeadlines } from '../downstream/call-deadlines.ts';
import { LoginRequired } from '../downstream/login-required.ts';
import type { ModernLink } from '../downstream/modern-port.ts';
import type { AnswerSink, CancelRequest, Deadlines, DownstreamServer, Mirrored } from '../downstream/port.ts';
import type { Message, RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { undeclaredParamHeaders } from '../protocol/modern/param-headers.ts';
import { type CallOptions, type Exchange, outcomeOf, type ToolCall, type UnderWay } from './exchange.ts';
import { askToLogIn, withoutLoginAnswer } from './login-needed.ts';
import { mirroredOf, paramHeadersOf } from './mirrored.ts';
import type { ModernCaller } from './modern-caller.ts';
import { type End, EndingSink, type Repeats } from './modern-ending-sink.ts';
import type { ModernOptions } from './modern-options.ts';
import { ModernRelaySink } from './modern-relay-sink.ts';
import { answerOutcome } from './relay-sink.ts';
import { RisingProgress } from './rising-progress.ts';
import { SecondRun } from './second-run.ts';
import { askedServer } from './spans.ts';

/** A request of the modern era. */
export interface ModernRequest extends Exchange<ModernOptions> {
  readonly caller: ModernCaller;
  /** What a server says in it that is not about it. */
  heard(serverId: string, message: Message): void;
}

const NEVER = new AbortController().signal;

/** One request of a modern client's at a server until its answer, whichever era the server is of. */
export class ModernCall implements UnderWay {
  readonly #exchange: ModernRequest;
  readonly #server: DownstreamServer;
  readonly #breaker: Breaker | undefined;
  readonly #request: RequestMessage;
  readonly #options: CallOptions;
  readonly #deadlines: Deadlines;
  readonly #sink: EndingSink;
  readonly #over: () => void;
  /** One of several that ask for the same. */
  readonly #isPart: boolean;
  #tool: ToolCall | undefined;
  /** Where it is traced. */
  readonly #asked: ReturnType<typeof askedServer> | undefined;
  readonly #startedAt = performance.now();
  #secondRun: SecondRun | undefined;
  #hasRetried = false;
  /** Nobody has the request yet, or now. */
  #isWaiting = true;
  #isOver = false;
  #cancelled: GatewayError | undefined;
  #cancelRequest: CancelRequest | undefined;

  /**
   * `text`: the request by the server's own names. `breaker`: has let it through. `deadlines`: of a part of a request;
   * breakers and counting are another's.
   */
  constructor(
    exchange: ModernRequest,
    server: DownstreamServer,
    text: string,
    options: CallOptions,
    breaker: Breaker | undefined,
    deadlines?: Deadlines,
  ) {
    const { message } = exchange;
    this.#exchange = exchange;
    this.#server = server;
    this.#breaker = breaker;
    const sent = withoutLoginAnswer(text, message.params);
    if (sent === undefined)
      throw new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice');
    this.#request = sent === message.text ? message : { ...message, text: sent };
    this.#options = options;
    this.#tool = options.tool;
    this.#isPart = deadlines !== undefined;
    const { span } = exchange;
    if (span !== undefined)
      this.#asked = askedServer(span, message.method, server, options.tool?.listed.key ?? options.name);
    this.#deadlines =
      deadlines ?? callDeadlines(exchange.options.deadlines, server, options.tool?.listed.key);
    const client = options.client ?? exchange.sink;
    // A part of a request ends for itself, and the request later.
    const events = this.#isPart ? undefined : exchange.events;
    this.#sink = new EndingSink(
      client,
      (end) => this.#ended(end),
      this.#repeats(),
      events,
      (error) => this.#askToLogIn(error),
    );
    this.#over = this.#isPart ? () => {} : exchange.track(this);
  }

  run(): void {
    if (this.#isOver) return;
    let found: ModernLink | undefined | Promise<ModernLink | undefined>;
    try {
      found = this.#exchange.options.modern.modern(this.#server, NEVER);
    } catch (error) {
      return this.#sink.fail(GatewayError.from(error));
    }
    if (!(found instanceof Promise)) return this.#send(found);
    found.then(
      (link) => {
        if (!this.#isOver) this.#send(link);
      },
      (error) => {
        if (!this.#isOver) this.#sink.fail(GatewayError.from(error));
      },
    );
  }

  cancel(reason = new GatewayError(Code.Cancelled, 'Cancelled by the client')): void {
    if (this.#isOver) return;
    this.#cancelled = reason;
    this.#secondRun?.cancel();
    if (this.#isWaiting) this.#sink.fail(reason);
    else this.#cancelRequest?.(reason);
  }

  #send(link: ModernLink | undefined): void {
    const { caller, options } = this.#exchange;
    this.#isWaiting = false;
    this.#cancelRequest = undefined;
    const request = this.#exchange.onward(this.#request, this.#asked?.span);
    const cancelRequest =
      link === undefined
        ? options.legacy.call({ caller, server: this.#server, request }, this.#sink, this.#left())
        : link.request(request, this.#relaySink(), this.#left(), this.#mirrored());
    this.#cancelRequest = cancelRequest;
    // It may have been cancelled before `request` returned.
    if (this.#cancelled !== undefined && !this.#isOver) cancelRequest(this.#cancelled);
  }

  /** What is lost before an answer has begun is run again where that is safe. A part of a request fails for itself. */
  #repeats(): Repeats | undefined {
    if (!this.#options.isRepeatable || this.#isPart) return undefined;
    const progress = new RisingProgress();
    const again = (error: GatewayError): boolean => {
      const { message, options } = this.#exchange;
      this.#secondRun ??= new SecondRun({
        server: this.#server,
        method: message.method,
        about: this.#exchange.about,
        options,
        progress,
        leftMs: () => this.#left().totalMs,
        run: () => this.run(),
      });
      this.#isWaiting = this.#secondRun.follows(error);
      return this.#isWaiting;
    };
    return { progress, again };
  }

  #askToLogIn(error: GatewayError): string | undefined {
    const { caller, message, options } = this.#exchange;
    if (this.#isPart || !(error instanceof LoginRequired)) return undefined;
    return askToLogIn(error, message, caller.meta.clientCapabilities, options.implementation);
  }

  #left(): Deadlines {
    if (this.#secondRun === undefined) return this.#deadlines;
    const left = Math.max(0, this.#deadlines.totalMs - (performance.now() - this.#startedAt));
    return { idleMs: Math.min(this.#deadlines.idleMs, left), totalMs: left };
  }

  #relaySink(): AnswerSink {
    const { caller, options } = this.#exchange;
    return new ModernRelaySink(this.#sink, {
      request: this.#request,
      meta: caller.meta,
      serverId: this.#server.id,
      serverName: this.#server.name,
      identity: options.implementation,
      heard: (message) => this.#exchange.heard(this.#server.id, message),
      mismatched: () => this.#sendAgain(),
    });
  }

  /** Headers that the tool does not declare pass on. */
  #mirrored(): Mirrored | undefined {
    const { name } = this.#options;
    const tool = this.#tool;
    const mirrored = mirroredOf({ ...(tool && { tool }), ...(name !== undefined && { name }) });
    const declared = tool === undefined ? [] : paramHeadersOf(tool.listed);
    const others = undeclaredParamHeaders(declared, this.#exchange.caller.headers);
    return others.length === 0 ? mirrored : { ...mirrored, params: [...(mirrored?.params ?? []), ...others] };
  }

  /** The server wants other headers than its list told: the list is read anew, and the request sent once more (2026-07-28, transports: Client Behavior). */
  #sendAgain(): boolean {
    const tool = this.#tool;
    if (tool === undefined || this.#hasRetried) return false;
    this.#hasRetried = true;
    this.#isWaiting = true;
    this.#exchange.options.logger.info('a server finds headers wrong: its list is read anew', {
      ...this.#exchange.about,
      server: this.#server.name,
    });
    this.#newest(tool.listed).then(
      (listed) => {
        if (listed !== undefined) this.#tool = { ...tool, listed };
        this.run();
      },
      (error) => {
        if (!this.#isOver) this.#sink.fail(GatewayError.from(error));
      },
    );
    return true;
  }

  async #newest({ key }: ListedEntry): Promise<ListedEntry | undefined> {
    const { view } = this.#exchange;
    const entry = await view.entry(this.#server.id, true);
    return entry?.catalog?.tools.find((listed) => listed.key === key);
  }

  #ended({ body, error, bytes }: End): void {
    this.#isOver = true;
    this.#over();
    const outcome = error !== undefined ? outcomeOf(error) : body === undefined ? 'ok' : answerOutcome(body);
    this.#asked?.end(outcome, error);
    if (this.#isPart) return;
    if (error === undefined) this.#breaker?.succeeded();
    else this.#breaker?.failed(error);
    const { name } = this.#server;
    this.#exchange.ended(outcome, name, error, bytes, this.#startedAt, this.#options.tool?.listed.key);
  }
}
