import type { RequestMessage } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { AnswerSink, CancelRequest, Deadlines } from './port.ts';

/** A request that may have to wait for its process, or change from one node to another before it is run. */
export class Outgoing {
  readonly request: RequestMessage;
  readonly sink: AnswerSink;
  readonly deadlines: Deadlines;
  #holder: CancelRequest | undefined;
  #isOver = false;

  constructor(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines) {
    this.request = request;
    this.sink = sink;
    this.deadlines = deadlines;
  }

  /** Given up while it waited. */
  get isOver(): boolean {
    return this.#isOver;
  }

  /** Who has it now, and can cancel it; undefined while it waits. */
  heldBy(holder: CancelRequest | undefined): void {
    this.#holder = holder;
  }

  readonly cancel: CancelRequest = (reason) => {
    if (this.#holder !== undefined) this.#holder(reason);
    else this.fail(reason);
  };

  /** Ends it while it waits. */
  fail(error: GatewayError): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.sink.fail(error);
  }
}
