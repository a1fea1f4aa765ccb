import { type Id, isId } from './envelope.ts';

/**
 * The id under which a client sees a request of a downstream server. It carries the way home: which server asked,
 * and under which id. So the answer can land on any node and go straight there, with no table in between.
 */
export function encodeHomeId(serverId: string, id: Id): string {
  return `${serverId}:${JSON.stringify(id)}`;
}

/** Undefined for anything that {@link encodeHomeId} does not make: an answer to nobody. */
export function decodeHomeId(value: Id): { readonly serverId: string; readonly id: Id } | undefined {
  if (typeof value !== 'string') return undefined;
  const colon = value.indexOf(':');
  if (colon <= 0) return undefined;
  try {
    const id: unknown = JSON.parse(value.slice(colon + 1));
    if (!isId(id)) return undefined;
    const serverId = value.slice(0, colon);
    // JSON has other spellings of the same id; a client has seen one.
    return encodeHomeId(serverId, id) === value ? { serverId, id } : undefined;
  } catch {
    return undefined;
  }
}
