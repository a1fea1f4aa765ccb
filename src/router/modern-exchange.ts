import type { Principal } from '../auth/principal.ts';
import type { View } from '../catalog/view.ts';
import { DownstreamAnswerError } from '../downstream/call.ts';
import type { AnswerSink, Deadlines, DownstreamServer } from '../downstream/port.ts';
import { TextSink } from '../downstream/text-sink.ts';
import { type Message, own, parseMessage, type RequestMessage, resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { stampResult } from '../protocol/modern/result.ts';
import type { Outcome } from '../telemetry/types.ts';
import { type CallOptions, Exchange, type UnderWay } from './exchange.ts';
import { ModernCall, type ModernRequest } from './modern-call.ts';
import type { ModernCaller } from './modern-caller.ts';
import type { ModernOptions } from './modern-options.ts';

/** Made once: every connection ends, and most with nothing under way. */
const GONE = new GatewayError(Code.Cancelled, 'Cancelled by the client');

/** A request of the modern era, which stands for itself. */
export class ModernExchange extends Exchange<ModernOptions> implements ModernRequest {
  readonly face = 'modern';
  readonly caller: ModernCaller;
  readonly view: View;
  readonly sink: AnswerSink;
  /** What ends where its client goes away. */
  #underWay: UnderWay | undefined;
  #isGone = false;

  constructor(
    caller: ModernCaller,
    view: View,
    message: RequestMessage,
    sink: AnswerSink,
    options: ModernOptions,
  ) {
    super(message, options);
    this.caller = caller;
    this.view = view;
    this.sink = sink;
  }

  get principal(): Principal {
    return this.caller.principal;
  }

  relay(server: DownstreamServer, text: string, options: CallOptions = {}): void {
    this.subject = options.tool?.listed.key ?? options.name;
    // Whoever is let through has to report what came of it: there has to be something to come.
    if (this.#isGone) throw GONE;
    const breaker = this.options.breakers.of(server);
    const refusal = breaker.refusal();
    if (refusal !== undefined) return this.fail(refusal);
    new ModernCall(this, server, text, options, breaker).run();
  }

  async ask(server: DownstreamServer, deadlines: Deadlines, signal: AbortSignal): Promise<string> {
    const text = await new Promise<string>((resolve, reject) => {
      const sink = new TextSink(resolve, reject);
      const call = new ModernCall(this, server, this.message.text, { client: sink }, undefined, deadlines);
      signal.addEventListener('abort', () => call.cancel(), { once: true });
      call.run();
    });
    const answer = parseMessage(text, this.options.maxJsonDepth);
    const error = answer.kind === 'response' ? answer.error : undefined;
    if (typeof error !== 'object' || error === null) return text;
    const code = own(error as Readonly<Record<string, unknown>>, 'code');
    throw new DownstreamAnswerError(Number(code), 'An error');
  }

  track(request: UnderWay): () => void {
    this.endWithClient(request);
    const { underWay } = this.options;
    underWay.set(request, this.principal);
    return () => underWay.delete(request);
  }

  /** Ends something where the client goes away. Throws Cancelled where it has. */
  endWithClient(request: UnderWay): void {
    if (this.#isGone) throw GONE;
    this.#underWay = request;
  }

  result(json: string, outcome?: Outcome): void {
    const stamped = stampResult(json, { serverInfo: this.options.implementation }) ?? json;
    this.answer(resultText(this.message.id, stamped), outcome);
  }

  /** Its client has gone away: what runs for it is ended. */
  cancel(): void {
    this.#isGone = true;
    this.#underWay?.cancel(GONE);
  }

  /** What a server says in a request that is not about it. */
  heard(serverId: string, message: Message): void {
    if (message.kind !== 'notification') return;
    if (message.method.endsWith('/list_changed')) this.view.peek(serverId)?.changed();
  }
}
