import type { Message, RequestMessage } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { Outgoing } from './outgoing.ts';
import type { AnswerSink, CancelRequest, Deadlines, ServerHandshake } from './port.ts';

/**
 * `moved`: the process is another node's to run. `gone`: nobody's, since the server was changed or removed. `forgotten`:
 * this one's, but it does not know who it is that asks.
 */
export type Ending = 'moved' | 'gone' | 'forgotten';

/** One who uses a process, as it is told what happens there. */
export interface Sharer {
  /** A notification or a request of the server's, outside any request. */
  message(message: Message): void;
  /** The process began anew. `tell`: this one, of all that stand for the session, tells it what it has forgotten. */
  restarted(handshake: ServerHandshake, tell: boolean): void;
  /** Nothing new is taken here; what runs is finished. */
  moved(): void;
  /** Nothing more comes from here. */
  ended(why: Ending): void;
  /** This request was not taken, and nothing of it was done. */
  returned(outgoing: Outgoing): void;
  /** The node where the process runs does not listen. */
  doubted(): void;
}

export interface AttachOptions {
  /** The client session that it is for: all that name the same are one to the server. Absent: the gateway itself. */
  readonly session: string | undefined;
  readonly sharer: Sharer;
  /** What the server said of itself before: with it, a process at rest is left at rest. */
  readonly known: ServerHandshake | undefined;
}

/** A place at a process, wherever that runs. */
export interface Attachment {
  readonly handshake: ServerHandshake;
  /** The server has not heard of the session before. */
  readonly isFresh: boolean;
  request(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest;
  /** The same with a request that has waited, or was returned. */
  take(outgoing: Outgoing): void;
  send(message: Message): void;
  /** Lets go. What is under way fails with the reason. */
  detach(reason: GatewayError): void;
  /** The process has gone from there: what is under way has an unknown outcome. */
  lost(): void;
}

/** Where a process runs: on this node, or on another. */
export interface Place {
  /** Throws {@link Displaced}, and what the downstream port throws. */
  attach(options: AttachOptions): Promise<Attachment>;
}

/** `moved`: the process is being given up there. `doubted`: nobody listens there. */
export type Displacement = 'moved' | 'doubted';

/** The process is not to be found there. Nothing was sent to it. */
export class Displaced extends Error {
  override readonly name = 'Displaced';
  readonly how: Displacement;

  constructor(how: Displacement) {
    super(how);
    this.how = how;
  }
}
