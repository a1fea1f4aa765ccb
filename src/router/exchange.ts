import type { Catalogs } from '../catalog/catalogs.ts';
import type { AnswerSink, Connector, Deadlines } from '../downstream/port.ts';
import type { RequestMessage } from '../protocol/envelope.ts';
import type { Logger } from '../telemetry/types.ts';
import type { Conversation } from './conversation.ts';
import type { RelayOutcome } from './relay-sink.ts';

/** Told of each request that a server has answered, or has not. `durationMs` from its arrival. */
export type RelayObserver = (
  server: string,
  method: string,
  outcome: RelayOutcome,
  durationMs: number,
) => void;

export interface RouterOptions {
  readonly catalogs: Catalogs;
  readonly connector: Connector;
  readonly logger: Logger;
  readonly identity: { readonly name: string; readonly title: string; readonly version: string };
  readonly deadlines: Deadlines;
  readonly ownDeadlines: Deadlines;
  readonly maxJsonDepth: number;
  readonly observe: RelayObserver;
}

/** What a method's handler works with. */
export interface Exchange {
  readonly conversation: Conversation;
  readonly message: RequestMessage;
  readonly sink: AnswerSink;
  readonly options: RouterOptions;
}
