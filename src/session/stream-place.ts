import { z } from 'zod';
import type { Beside, StreamPlace } from '../coordination/stream-log.ts';
import { eventId, MAX_POSITION, STANDALONE } from './event-id.ts';
import { isSigned, SIGNATURE_LENGTH, sign } from './signature.ts';

const Position = z.tuple([z.string(), z.int().positive(), z.record(z.string(), z.string())]);

/**
 * The id of an event after which a client is at this place. What it has beside the log stands in the id itself, since no
 * node could look it up; signed, since servers are asked for what follows it. Undefined where it has no room for that.
 */
export function placeId(key: string | undefined, sessionId: string, place: StreamPlace): string | undefined {
  const { sequence, beside } = place;
  if (beside === undefined) return eventId(STANDALONE, sequence);
  if (key === undefined) return undefined;
  const content = Buffer.from(JSON.stringify([beside.producer, beside.count, beside.origins]));
  const payload = content.toString('base64url');
  const position = payload + sign(key, signedText(sessionId, sequence, payload));
  return position.length > MAX_POSITION ? undefined : eventId(STANDALONE, sequence, position);
}

/** The place that an id names. What is not signed as it should be is left out. */
export function placeOf(
  key: string | undefined,
  sessionId: string,
  { sequence, position }: { readonly sequence: number; readonly position?: string | undefined },
): StreamPlace {
  if (position === undefined || key === undefined) return { sequence };
  const payload = position.slice(0, -SIGNATURE_LENGTH);
  const signature = position.slice(-SIGNATURE_LENGTH);
  if (!isSigned(key, signedText(sessionId, sequence, payload), signature)) return { sequence };
  return { sequence, beside: besideOf(payload) };
}

function besideOf(payload: string): Beside | undefined {
  const { data } = Position.safeParse(JSON.parse(Buffer.from(payload, 'base64url').toString()));
  return data && { producer: data[0], count: data[1], origins: data[2] };
}

function signedText(sessionId: string, sequence: number, payload: string): string {
  return JSON.stringify([sessionId, sequence, payload]);
}
