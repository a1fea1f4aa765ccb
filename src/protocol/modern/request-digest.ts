import { createHash } from 'node:crypto';
import { isObject, own, type RequestMessage } from '../envelope.ts';

/** Members of params that differ from one round of a request to the next. */
const OF_ONE_ROUND: ReadonlySet<string> = new Set(['_meta', 'inputResponses', 'requestState']);

/**
 * What a request asks for, as 32 bytes that all its rounds share: a client may write the same values in another order
 * and with other white space when it tries again. Numbers count as JavaScript reads them.
 */
export function requestDigest({ method, params = {} }: Pick<RequestMessage, 'method' | 'params'>): Buffer {
  const salient = Object.entries(params).filter(([key]) => !OF_ONE_ROUND.has(key));
  return createHash('sha256')
    .update(canonical([method, Object.fromEntries(salient)]))
    .digest();
}

/** JSON with the keys of every object in order. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (!isObject(value)) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(own(value, key))}`);
  return `{${members.join(',')}}`;
}
