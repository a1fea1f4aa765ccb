import { longestDeadlines } from '../downstream/call-deadlines.ts';
import type { AnswerSink, DownstreamLink, DownstreamServer } from '../downstream/port.ts';
import { type Id, own, type RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Outcome } from '../telemetry/types.ts';
import { eventOutcome } from './call-event.ts';
import type { Conversation } from './conversation.ts';
import type { RouterOptions } from './exchange.ts';
import { RelaySink } from './relay-sink.ts';
import { RisingProgress } from './rising-progress.ts';

export interface ResumedCallOptions {
  readonly conversation: Conversation;
  readonly server: DownstreamServer;
  readonly link: DownstreamLink;
  /** Of the request. */
  readonly id: Id;
  /** Where the server's stream stood. */
  readonly at: string;
  /** As far as the client has been told. */
  readonly progress: number | undefined;
  readonly client: AnswerSink;
  readonly options: RouterOptions;
  /** The server does not go on with it, and nothing of an answer has gone out. */
  readonly onRefused: (error: GatewayError) => void;
  readonly onEnd: () => void;
  /** The request, where this node knows it. */
  readonly request: RequestMessage | undefined;
}

/** The rest of an answer that a server gives to another node than the one that sent the request. */
export class ResumedCall {
  readonly #options: ResumedCallOptions;
  readonly #key: string;
  readonly #startedAt = performance.now();
  #cancelRequest: ((reason: GatewayError) => void) | undefined;

  constructor(options: ResumedCallOptions) {
    this.#options = options;
    this.#key = JSON.stringify(options.id);
  }

  run(): void {
    const { conversation, server, link, id, at, client, progress, options } = this.#options;
    if (link.resume === undefined || conversation.session.inFlight.has(this.#key)) {
      return this.#options.onRefused(new GatewayError(Code.Unavailable, 'The answer cannot be resumed'));
    }
    conversation.session.inFlight.set(this.#key, this);
    const sink = new RelaySink(client, {
      conversation,
      server,
      isShared: true,
      progress: new RisingProgress(progress),
      again: (error) => this.#refused(error),
      events: options.events,
      onEnd: (outcome, error, bytes) => {
        this.#ended(outcome);
        this.#tell(outcome, error, bytes);
        this.#options.onEnd();
      },
    });
    this.#cancelRequest = link.resume(id, at, sink, longestDeadlines(options.deadlines, server));
  }

  cancel(reason = new GatewayError(Code.Cancelled, 'Cancelled by the client')): void {
    this.#cancelRequest?.(reason);
  }

  #refused(error: GatewayError): boolean {
    if (error.code === Code.Cancelled) return false;
    this.#ended('error');
    this.#options.onRefused(error);
    return true;
  }

  #tell(outcome: Outcome, error: GatewayError | undefined, answerBytes: number | undefined): void {
    const { conversation, server, options, request } = this.#options;
    const { principal, mark } = conversation.session;
    const name = request?.params === undefined ? undefined : own(request.params, 'name');
    options.events.append({
      type: 'call',
      action: request?.method ?? 'resumed',
      tenantId: principal.tenantId,
      userId: principal.userId,
      outcome: eventOutcome(outcome, error),
      server: server.name,
      tool: typeof name === 'string' ? name : undefined,
      session: mark,
      durationMs: performance.now() - this.#startedAt,
      answerBytes,
      detail: { resumed: true },
    });
  }

  #ended(outcome: Outcome): void {
    const { conversation, server, options } = this.#options;
    conversation.session.inFlight.delete(this.#key);
    conversation.session.lastUsed = Date.now();
    const seconds = (performance.now() - this.#startedAt) / 1000;
    options.metrics.downstream(server.name, outcome, seconds, this.#options.request?.method ?? 'other');
  }
}
