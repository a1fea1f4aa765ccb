import { createHmac, timingSafeEqual } from 'node:crypto';

/** Characters of a signature: 128 bits. */
export const SIGNATURE_LENGTH = 22;

/** Signs what goes to a client and comes back: letters, digits, `-` and `_`. */
export function sign(key: string, text: string): string {
  return createHmac('sha256', key).update(text).digest('base64url').slice(0, SIGNATURE_LENGTH);
}

export function isSigned(key: string, text: string, signature: string): boolean {
  const [given, right] = [Buffer.from(signature), Buffer.from(sign(key, text))];
  return given.length === right.length && timingSafeEqual(given, right);
}
