import { isUtf8 } from 'node:buffer';

/** Values in headers (2026-07-28, transports: Value Encoding): plain where they can be, base64 between marks where not. */
const OPEN = '=?base64?';
const CLOSE = '?=';

/** Visible ASCII, spaces and tabs; what is at the ends must be visible, since white space there is not part of a value. */
const PLAIN = /^[\x21-\x7e](?:[\x20-\x7e\t]*[\x21-\x7e])?$/;

/** A value as it goes into a header. Half of a surrogate pair has no UTF-8 and comes out as U+FFFD. */
export function encodeHeaderValue(value: string): string {
  if (PLAIN.test(value) && !isMarked(value)) return value;
  return OPEN + Buffer.from(value, 'utf8').toString('base64') + CLOSE;
}

/**
 * A header's value as it was meant. Undefined where it has characters that a header cannot carry, or base64 that is not
 * written as it should be: two readers could read two values.
 */
export function decodeHeaderValue(header: string): string | undefined {
  const value = withoutSpace(header);
  if (!isMarked(value)) return value === '' || PLAIN.test(value) ? value : undefined;
  // The marks may not share their `?`.
  if (value.length < OPEN.length + CLOSE.length) return undefined;
  const base64 = value.slice(OPEN.length, -CLOSE.length);
  const bytes = Buffer.from(base64, 'base64');
  return bytes.toString('base64') === base64 && isUtf8(bytes) ? bytes.toString('utf8') : undefined;
}

function isMarked(value: string): boolean {
  return value.startsWith(OPEN) && value.endsWith(CLOSE);
}

/** Without the spaces and tabs around it, which are not part of a field's value (RFC 9110, 5.5). */
export function withoutSpace(value: string): string {
  let start = 0;
  let end = value.length;
  while (start < end && isSpace(value.charCodeAt(start))) start++;
  while (end > start && isSpace(value.charCodeAt(end - 1))) end--;
  return start === 0 && end === value.length ? value : value.slice(start, end);
}

function isSpace(char: number): boolean {
  return char === 0x20 || char === 0x09;
}
