import { hash } from 'node:crypto';

/**
 * A digest of a session's id (96 bits, in hex: a command line takes what begins with a hyphen for an option),
 * from which the id cannot be found: that has 192 random bits.
 */
export function markOf(sessionId: string): string {
  return hash('sha256', sessionId, 'hex').slice(0, 24);
}
