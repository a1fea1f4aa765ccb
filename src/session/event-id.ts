import { type Id, isId } from '../protocol/envelope.ts';

/** Names a session's standalone stream in event ids. */
export const STANDALONE = 'g';

/** Characters of a position: an id is repeated in a header, which servers and proxies bound. */
export const MAX_POSITION = 1024;

/** A longer request id is not worth carrying in each event. */
const LONGEST_ID = 200;

/** What an event id says. */
export interface EventPlace {
  readonly streamId: string;
  readonly sequence: number;
  /**
   * On a request's stream: where the server's own stream stood, for a node that has to go on without the one that ran it.
   * On the standalone stream: what the client has beside the log.
   */
  readonly position: string | undefined;
}

/**
 * Names the stream as well as the event: ids are unique in a session, and say what to replay. `position` is made of
 * letters, digits, `-` and `_`.
 */
export function eventId(streamId: string, sequence: number, position?: string): string {
  const id = `${streamId}_${sequence}`;
  return position === undefined ? id : `${id}~${position}`;
}

/** Undefined for an id that isn't one of ours. */
export function parseEventId(value: string): EventPlace | undefined {
  const parts = /^(g|r\d+\.[\w-]*\.[\w.-]+)_(\d{1,15})(?:~([\w-]+))?$/.exec(value);
  const [, streamId, sequence, position] = parts ?? [];
  if (streamId === undefined || (position?.length ?? 0) > MAX_POSITION) return undefined;
  return { streamId, sequence: Number(sequence), position };
}

/**
 * The name of a request's stream. It says which node runs the request and which request it is, so any node that the
 * client comes back to knows whom to ask, and what to answer where nobody is left to ask.
 */
export function requestStreamId(count: number, requestId: Id | null, nodeId: string): string {
  const id = JSON.stringify(requestId);
  return `r${count}.${id.length > LONGEST_ID ? '' : Buffer.from(id).toString('base64url')}.${nodeId}`;
}

/** Undefined for the standalone stream. `requestId` is null where it was too long to carry. */
export function parseRequestStreamId(
  streamId: string,
): { readonly nodeId: string; readonly requestId: Id | null } | undefined {
  const parts = /^r\d+\.([\w-]*)\.([\w.-]+)$/.exec(streamId);
  if (parts?.[1] === undefined || parts[2] === undefined) return undefined;
  return { nodeId: parts[2], requestId: decodeId(parts[1]) };
}

function decodeId(encoded: string): Id | null {
  try {
    const id: unknown = JSON.parse(Buffer.from(encoded, 'base64url').toString());
    return isId(id) ? id : null;
  } catch {
    return null;
  }
}
