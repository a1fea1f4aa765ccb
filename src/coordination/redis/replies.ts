/** Replies of Redis as what they have to be; anything else is a bug, and throws. */

export function asNumber(reply: unknown): number {
  const number = typeof reply === 'string' ? Number(reply) : reply;
  if (typeof number !== 'number' || Number.isNaN(number)) throw unexpected('a number', reply);
  return number;
}

export function asString(reply: unknown): string {
  if (typeof reply !== 'string') throw unexpected('a string', reply);
  return reply;
}

/** Nil becomes undefined. */
export function asOptionalString(reply: unknown): string | undefined {
  return reply === null || reply === undefined ? undefined : asString(reply);
}

export function asBuffer(reply: unknown): Buffer {
  if (!Buffer.isBuffer(reply)) throw unexpected('bytes', reply);
  return reply;
}

export function asArray(reply: unknown): readonly unknown[] {
  if (!Array.isArray(reply)) throw unexpected('an array', reply);
  return reply;
}

/** Fields and values in turn. */
export function asPairs(reply: unknown): readonly (readonly [field: string, value: string])[] {
  const flat = asArray(reply);
  const pairs: [string, string][] = [];
  for (let i = 0; i < flat.length; i += 2) pairs.push([asString(flat[i]), String(flat[i + 1])]);
  return pairs;
}

function unexpected(what: string, reply: unknown): TypeError {
  return new TypeError(`Redis answered ${typeof reply} instead of ${what}`);
}
