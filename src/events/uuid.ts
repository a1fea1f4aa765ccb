import { randomFillSync } from 'node:crypto';

/** Random bytes are cheaper by the thousand, and so are their digits. */
const POOL = Buffer.allocUnsafe(8 * 1024);
const DIGITS = 16;
let pool = '';
let used = 0;

let lastMs = Number.NaN;
let time = '';
let counter = 0;

/** Room in 12 bits, less what a millisecond begins with at most. */
const MOST = 0xfff;

/** The first digit of what follows the counter: its upper two bits are the variant. */
const VARIANTS = '89ab';

/**
 * A UUID of version 7 (RFC 9562): begins with the time, so that ids sort as what they name has happened. Within one
 * millisecond those of this process rise (6.2, method 1); beyond 4096 of them only the random part tells them apart.
 */
export function uuidV7(ms: number): string {
  if (ms === lastMs) counter = Math.min(counter + 1, MOST);
  else {
    lastMs = ms;
    counter = 0;
    const digits = ms.toString(16).padStart(12, '0');
    time = `${digits.slice(0, 8)}-${digits.slice(8)}-7`;
  }
  if (used === pool.length) {
    pool = randomFillSync(POOL).toString('hex');
    used = 0;
  }
  const from = used;
  used += DIGITS;
  const variant = VARIANTS.charAt(pool.charCodeAt(from) & 3);
  const count = counter.toString(16).padStart(3, '0');
  return `${time}${count}-${variant}${pool.slice(from + 1, from + 4)}-${pool.slice(from + 4, used)}`;
}
