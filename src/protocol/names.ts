import { createHash } from 'node:crypto';

/** Clients and model providers agree on this much: 64 characters of letters, digits, `_`, `-`. */
export const MAX_NAME_LENGTH = 64;

const TAIL_LENGTH = 8;

/** Between a server's prefix and its tool's own name. */
const SEPARATOR = '__';

/**
 * The public name of a tool or prompt. It depends on nothing but the server's prefix and the entry's own name, so it
 * never changes because another server came or went. A name that had to be altered or cut ends in a hash of the
 * original, so two originals stay two names.
 */
export function publicName(prefix: string, name: string): string {
  const full = prefix === '' ? name : prefix + SEPARATOR + name;
  const legal = full.replace(/[^A-Za-z0-9_-]/gu, '_');
  if (legal === full && full.length > 0 && full.length <= MAX_NAME_LENGTH) return full;
  return withTail(legal, `${prefix}\0${name}`);
}

/** The name that the newer of two servers gets where both claim the same one. */
export function collisionName(taken: string, serverId: string, name: string): string {
  return withTail(taken, `${serverId}\0${name}`);
}

function withTail(name: string, identity: string): string {
  const tail = createHash('sha256').update(identity).digest('hex').slice(0, TAIL_LENGTH);
  return `${name.slice(0, MAX_NAME_LENGTH - TAIL_LENGTH - 1)}_${tail}`;
}
