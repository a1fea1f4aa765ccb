import type { Principal } from '../auth/principal.ts';
import type { AnswerSink, CancelRequest, Deadlines, DownstreamServer } from '../downstream/port.ts';
import type { RequestMessage } from '../protocol/envelope.ts';
import type { HeaderValues } from '../protocol/modern/headers.ts';
import type { RequestMeta } from '../protocol/modern/meta.ts';

/** Who makes a request of the modern era: all that is known of it came with the request. */
export interface ModernCaller {
  readonly principal: Principal;
  readonly meta: RequestMeta;
  readonly headers: HeaderValues;
}

/** A request of a modern client's to a server of the legacy era. */
export interface LegacyCall {
  readonly caller: ModernCaller;
  readonly server: DownstreamServer;
  /** By the server's own names, with its envelope and what belongs to a retry still in the text; its params are the client's. */
  readonly request: RequestMessage;
}

/**
 * Makes requests of modern clients at servers of the legacy era. The sink gets what a modern client may see: results with
 * their type, errors translated, notifications of the request only. Limits, breakers and counting are the caller's.
 */
export interface LegacyCalls {
  call(call: LegacyCall, sink: AnswerSink, deadlines: Deadlines): CancelRequest;
  /** The server has been removed or changed. */
  dropServer(serverId: string): void;
  close(): Promise<void>;
}
