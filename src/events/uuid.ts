import { randomFillSync } from 'node:crypto';

/** Random bytes are cheaper by the thousand. */
const POOL = Buffer.allocUnsafe(8 * 1024);
const BYTES = 8;
let used = POOL.length;

let lastMs = 0;
let counter = 0;

/** Room in 12 bits, less what a millisecond begins with at most. */
const MOST = 0xfff;

/**
 * A UUID of version 7 (RFC 9562): begins with the time, so that ids sort as what they name has happened. Within one
 * millisecond those of this process rise (6.2, method 1); beyond 4096 of them only the random part tells them apart.
 */
export function uuidV7(ms: number): string {
  if (ms === lastMs) counter = Math.min(counter + 1, MOST);
  else {
    lastMs = ms;
    counter = 0;
  }
  if (used === POOL.length) {
    randomFillSync(POOL);
    used = 0;
  }
  // The variant takes the upper two bits of the first byte.
  const first = (POOL.readUInt8(used) & 0x3f) | 0x80;
  const rest = POOL.toString('hex', used + 1, used + BYTES);
  used += BYTES;
  const time = ms.toString(16).padStart(12, '0');
  const count = counter.toString(16).padStart(3, '0');
  return `${time.slice(0, 8)}-${time.slice(8)}-7${count}-${first.toString(16)}${rest.slice(0, 2)}-${rest.slice(2)}`;
}
