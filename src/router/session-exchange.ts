import type { Principal } from '../auth/principal.ts';
import type { View } from '../catalog/view.ts';
import { call } from '../downstream/call.ts';
import type { Deadlines, DownstreamServer } from '../downstream/port.ts';
import { type RequestMessage, resultText } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { Outcome } from '../telemetry/types.ts';
import type { Conversation } from './conversation.ts';
import {
  type Again,
  type CallOptions,
  type ClientSink,
  Exchange,
  outcomeOf,
  type RouterOptions,
  type UnderWay,
} from './exchange.ts';
import { NODE_GONE } from './node-gone.ts';
import { idInUse } from './relay.ts';
import { ServerCall, type SessionRequest } from './server-call.ts';

/** A request in a session of the legacy era. */
export class SessionExchange extends Exchange<RouterOptions> implements SessionRequest {
  readonly face = 'legacy';
  readonly conversation: Conversation;
  readonly sink: ClientSink;
  readonly again: Again | undefined;

  constructor(
    conversation: Conversation,
    message: RequestMessage,
    sink: ClientSink,
    options: RouterOptions,
    again?: Again,
  ) {
    super(message, options);
    this.conversation = conversation;
    this.sink = sink;
    this.again = again;
  }

  get principal(): Principal {
    return this.conversation.session.principal;
  }

  override get sessionMark(): string {
    return this.conversation.session.mark;
  }

  override get isAgain(): boolean {
    return this.again !== undefined;
  }

  get view(): View {
    return this.conversation.view;
  }

  relay(server: DownstreamServer, text: string, options: CallOptions = {}): void {
    const { again, conversation, message } = this;
    this.subject = options.tool?.listed.key ?? options.name;
    const key = JSON.stringify(message.id);
    if (conversation.session.inFlight.has(key)) return this.fail(idInUse(key));
    if (again !== undefined && (!options.isRepeatable || server.id !== again.serverId))
      return this.fail(NODE_GONE);
    const breaker = this.options.breakers.of(server);
    const refusal = breaker.refusal();
    if (refusal !== undefined) return this.fail(refusal);
    const call = new ServerCall(this, server, text, key, options, breaker);
    this.options.running?.begin(call);
    call.run();
  }

  async ask(server: DownstreamServer, deadlines: Deadlines, signal: AbortSignal): Promise<string> {
    const link = await this.conversation.links.get(server);
    const { text } = await call(link, this.message, deadlines, signal);
    return text;
  }

  track(request: UnderWay): () => void {
    const { inFlight } = this.conversation.session;
    const key = JSON.stringify(this.message.id);
    if (inFlight.has(key)) throw idInUse(key);
    inFlight.set(key, request);
    return () => inFlight.delete(key);
  }

  result(json: string, outcome?: Outcome): void {
    this.answer(resultText(this.message.id, json), outcome);
  }

  /** Of a request that has been sent before, that no server was asked now is not all there is to say. */
  override fail(error: GatewayError): void {
    if (this.again === undefined) return super.fail(error);
    this.ended(outcomeOf(error), undefined, error);
    this.options.running?.over(this.conversation.session.id, this.again.streamId);
    this.failed(NODE_GONE);
  }
}
