import { type Id, isObject, type Message, own, type RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { locate, type Span, splice } from '../protocol/json-text.ts';
import type { Deadline } from './deadline.ts';
import type { AnswerSink, LinkListener } from './port.ts';

/** One of those who share a channel. */
export interface Share {
  readonly listener: LinkListener;
  /** The gateway's own: nobody is behind it whom the server could ask. */
  readonly isUnattended?: boolean;
}

/** A request on its way through a channel that several sessions share. */
export interface Pending {
  readonly id: Id;
  /** The caller's progress token as JSON text; absent where it wants no progress. */
  progressToken: string | undefined;
  readonly sink: AnswerSink;
  readonly deadline: Deadline;
  /** Whose request it is: server requests that arrive meanwhile go there. Undefined for a handshake. */
  readonly owner: Share | undefined;
  /** The server may have begun with it. */
  isSent: boolean;
  /** For a server of the modern era: log messages are wanted with it. */
  wantsLogs: boolean;
  /** Absent for what is answered and over. */
  readonly listening: Listening | undefined;
}

/** A `subscriptions/listen`, which stays under way, and is sent anew to each process that comes after the first. */
export interface Listening {
  /** As the server sees it. */
  text: string;
  /** It asks for news that only a server which runs can have; what a server lists does not change while it is at rest. */
  readonly needsServer: boolean;
}

/**
 * The request as the server sees it. Sessions choose their ids and progress tokens each for itself, so on a shared
 * channel both are replaced by a number of ours. Throws InvalidRequest for a token that stands twice: it would stay as it
 * is, and could be the number of another session's request.
 */
export function renumber(
  request: RequestMessage,
  id: number,
): { text: string; progressToken: string | undefined } {
  const idSpan = locate(request.text, ['id']);
  const tokenSpan = hasToken(request)
    ? locate(request.text, ['params', '_meta', 'progressToken'])
    : undefined;
  if (tokenSpan === undefined && hasToken(request))
    throw new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice');
  const progressToken =
    tokenSpan === undefined ? undefined : request.text.slice(tokenSpan.start, tokenSpan.end);
  // From the end to the beginning, so that a splice does not move what is still to be spliced.
  const spans = [idSpan, tokenSpan]
    .filter((span) => span !== undefined)
    .sort((a: Span, b: Span) => b.start - a.start);
  return { text: spans.reduce((text, span) => splice(text, span, String(id)), request.text), progressToken };
}

function hasToken(request: RequestMessage): boolean {
  const meta = request.params === undefined ? undefined : own(request.params, '_meta');
  return isObject(meta) && own(meta, 'progressToken') !== undefined;
}

/** The number that a progress notification names, if it is one of ours. */
export function progressNumber(message: Message): number | undefined {
  if (message.kind !== 'notification' || message.method !== 'notifications/progress') return undefined;
  const token = message.params === undefined ? undefined : own(message.params, 'progressToken');
  return typeof token === 'number' ? token : undefined;
}
