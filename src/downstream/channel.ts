import type { Message, RequestMessage } from '../protocol/envelope.ts';
import type { AnswerSink, CancelRequest, Deadlines } from './port.ts';

/** The pipe to a server on which everything goes both ways: a process's stdin and stdout, or the older HTTP+SSE. */
export interface Channel {
  write(text: string): void;
  /** Writes, and resolves when what is written next can't overtake it. */
  writeFirst(text: string): Promise<void>;
  /** Stops reading while a client is slow. */
  pause(): void;
  resume(): void;
}

/** A channel that is not in use yet. */
export interface Opening {
  readonly server: { readonly name: string };
  readonly channel: Channel;
  /** How often a channel to this server was lost. */
  readonly closings: number;
  request(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest;
  send(message: Message): void;
  /** From now on it is in use. */
  use(era: 'modern' | 'legacy'): void;
}
