import { randomFillSync } from 'node:crypto';

/** Asked for in small pieces, random bytes cost as much a piece as a good many of them do at once. */
const POOL = Buffer.alloc(4096);
let used = POOL.length;

/** So many random bytes, at most 64, in base64url: a name that nobody can guess. */
export function randomToken(bytes: number): string {
  if (used + bytes > POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  const from = used;
  used += bytes;
  const token = POOL.toString('base64url', from, used);
  // It is a secret of somebody's now, and of nobody's else.
  POOL.fill(0, from, used);
  return token;
}
