import { MAX_POSITION } from '../session/event-id.ts';
import type { Session } from '../session/session.ts';
import { isSigned, SIGNATURE_LENGTH, sign } from '../session/signature.ts';

/** Where the answer to a request stands: with its server, and with its client. */
export interface StreamPosition {
  readonly serverId: string;
  /** What the server's link takes to go on; see `DownstreamLink.resume`. */
  readonly at: string | undefined;
  /** The highest progress that the client has been told, of a call that may be run again. */
  readonly progress: number | undefined;
}

/** Whose the answer is. */
type Owner = Pick<Session, 'id' | 'state'>;

/**
 * Letters, digits, `-` and `_`, for an event id; signed, since a server is asked for what follows it. Undefined where it
 * would be too long, and in a session without a key.
 */
export function encodeStreamPosition(
  { id, state }: Owner,
  { serverId, at, progress }: StreamPosition,
): string | undefined {
  if (state.streamKey === undefined) return undefined;
  const payload = Buffer.from(JSON.stringify([serverId, at ?? null, progress ?? null])).toString('base64url');
  if (payload.length + SIGNATURE_LENGTH > MAX_POSITION) return undefined;
  return payload + sign(state.streamKey, signedText(id, payload));
}

/** Undefined for what {@link encodeStreamPosition} has not made for this session. */
export function decodeStreamPosition({ id, state }: Owner, text: string): StreamPosition | undefined {
  const payload = text.slice(0, -SIGNATURE_LENGTH);
  const signature = text.slice(-SIGNATURE_LENGTH);
  if (state.streamKey === undefined || !isSigned(state.streamKey, signedText(id, payload), signature))
    return undefined;
  const [serverId, at, progress] = JSON.parse(Buffer.from(payload, 'base64url').toString());
  return { serverId, at: at ?? undefined, progress: progress ?? undefined };
}

/** Nothing else is signed with this key that could be taken for it. */
function signedText(sessionId: string, payload: string): string {
  return `answer ${sessionId} ${payload}`;
}
