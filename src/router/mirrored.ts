import type { ListedEntry } from '../catalog/types.ts';
import type { Mirrored } from '../downstream/port.ts';
import { own } from '../protocol/envelope.ts';
import {
  mayHaveParamHeaders,
  type ParamHeader,
  paramHeaders,
  readParamHeaders,
} from '../protocol/modern/param-headers.ts';
import type { CallOptions } from './exchange.ts';

const NONE: readonly ParamHeader[] = [];

const known = new WeakMap<ListedEntry, readonly ParamHeader[]>();

/** Arguments of a tool that headers repeat. Read once for each list entry. */
export function paramHeadersOf(listed: ListedEntry): readonly ParamHeader[] {
  const before = known.get(listed);
  if (before !== undefined) return before;
  const read = mayHaveParamHeaders(listed.text) ? readParamHeaders(own(listed.entry, 'inputSchema')) : NONE;
  // What is said wrongly says nothing.
  const declared = typeof read === 'string' ? NONE : read;
  known.set(listed, declared);
  return declared;
}

/**
 * What headers repeat of a request on its way to a server: its name there, and the arguments that the tool declares.
 * `renewed`: see {@link Mirrored}.
 */
export function mirroredOf({ tool, name }: CallOptions, renewed?: Mirrored['renewed']): Mirrored | undefined {
  if (tool === undefined) return name === undefined ? undefined : { name };
  const declared = paramHeadersOf(tool.listed);
  const params = declared.length === 0 ? undefined : paramHeaders(declared, tool.args);
  return { name: tool.listed.key, params, renewed };
}
