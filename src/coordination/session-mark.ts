import { hash } from 'node:crypto';

/** A digest of a session's id, from which the id cannot be found: that has 192 random bits. */
export function markOf(sessionId: string): string {
  return hash('sha256', sessionId, 'base64url').slice(0, 16);
}
