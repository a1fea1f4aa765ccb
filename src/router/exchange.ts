import type { Catalogs } from '../catalog/catalogs.ts';
import type { CallJournal } from '../coordination/call-journal.ts';
import type { SessionStore } from '../coordination/session-store.ts';
import type { Breakers } from '../downstream/breaker.ts';
import type { AnswerSink, Connector, Deadlines } from '../downstream/port.ts';
import type { RequestMessage } from '../protocol/envelope.ts';
import { Code, type GatewayError } from '../protocol/errors.ts';
import type { Session } from '../session/session.ts';
import type { Logger, Metrics, Outcome } from '../telemetry/types.ts';
import type { Conversation } from './conversation.ts';
import { NODE_GONE } from './node-gone.ts';
import type { RunningCalls } from './running-calls.ts';

export interface RouterOptions {
  readonly catalogs: Catalogs;
  readonly connector: Connector;
  readonly store: SessionStore;
  readonly logger: Logger;
  readonly breakers: Breakers;
  readonly metrics: Metrics;
  readonly identity: { readonly name: string; readonly title: string; readonly version: string };
  readonly deadlines: Deadlines;
  readonly ownDeadlines: Deadlines;
  readonly maxJsonDepth: number;
  /** Calls that a client can come back for at other nodes; undefined for a gateway that is one node. */
  readonly running: RunningCalls | undefined;
  readonly journal: CallJournal;
  /** Another node may hold the stream that a new link's server has something to say on. */
  readonly tellLinked: (session: Session) => void;
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

/** One request of a client on its way to an answer. */
export class Exchange {
  readonly conversation: Conversation;
  readonly message: RequestMessage;
  /** Where the answer goes; whoever uses it directly reports with {@link ended}. */
  readonly sink: ClientSink;
  readonly options: RouterOptions;
  /** Absent for a request that has just come. */
  readonly again: Again | undefined;
  readonly #startedAt = performance.now();

  constructor(
    conversation: Conversation,
    message: RequestMessage,
    sink: ClientSink,
    options: RouterOptions,
    again?: Again,
  ) {
    this.conversation = conversation;
    this.message = message;
    this.sink = sink;
    this.options = options;
    this.again = again;
  }

  /** The gateway's own answer. */
  answer(text: string): void {
    this.ended('ok');
    this.sink.answer(text);
  }

  /** Before any server was asked; of a request that has been sent before, that is not all there is to say. */
  fail(error: GatewayError): void {
    this.ended(outcomeOf(error));
    if (this.again === undefined) return this.sink.fail(error);
    this.options.running?.over(this.conversation.session.id, this.again.streamId);
    this.sink.fail(NODE_GONE);
  }

  /** Counts the request; `server` where one was asked. */
  ended(outcome: Outcome, server?: string): void {
    const seconds = (performance.now() - this.#startedAt) / 1000;
    this.options.metrics.request(this.message.method, outcome, seconds);
    if (server !== undefined) this.options.metrics.downstream(server, outcome, seconds);
  }
}

export function outcomeOf(error: GatewayError): Outcome {
  return error.code === Code.Cancelled ? 'cancelled' : 'error';
}
