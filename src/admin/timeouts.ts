import { durationFromMs, durationMs } from '@bufbuild/protobuf/wkt';
import type { CallTimeouts, ToolTimeouts } from '../db/server-record.ts';
import type { CallTimeouts as CallTimeoutsMessage } from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { wrongField } from './field-paths.ts';

/** A message without its type's name, as it is given where one is made. */
type Given = Pick<CallTimeoutsMessage, 'idle' | 'total'>;

/** Undefined where neither limit is given. */
export function toCallTimeouts(given: Given | undefined): CallTimeouts | undefined {
  return chosen(inMs(given?.idle), inMs(given?.total));
}

/** Undefined where no tool is named. */
export function toToolTimeouts(given: Readonly<Record<string, Given>>): ToolTimeouts | undefined {
  const tools = Object.entries(given).map(([name, timeouts]) => [name, toCallTimeouts(timeouts) ?? {}]);
  return tools.length === 0 ? undefined : Object.fromEntries(tools);
}

/** The limits that are stored, with those in the mask put to their new values; null where none is left. Throws InvalidArgument. */
export function changedTimeouts(
  mask: { readonly idle: boolean; readonly total: boolean },
  given: Given | undefined,
  stored: CallTimeouts = {},
): CallTimeouts | null {
  const idleMs = mask.idle ? inMs(given?.idle) : stored.idleMs;
  const totalMs = mask.total ? inMs(given?.total) : stored.totalMs;
  // Each request is checked before it comes here: this is for a new limit that does not go with the one that stays.
  if (idleMs !== undefined && totalMs !== undefined && idleMs > totalMs) {
    throw wrongField('changes.timeouts', `idle (${idleMs} ms) must not be longer than total (${totalMs} ms)`);
  }
  return chosen(idleMs, totalMs) ?? null;
}

export function timeoutsMessage({ idleMs, totalMs }: CallTimeouts): Given {
  return {
    ...(idleMs === undefined ? {} : { idle: durationFromMs(idleMs) }),
    ...(totalMs === undefined ? {} : { total: durationFromMs(totalMs) }),
  };
}

function chosen(idleMs: number | undefined, totalMs: number | undefined): CallTimeouts | undefined {
  if (idleMs === undefined && totalMs === undefined) return undefined;
  return { ...(idleMs === undefined ? {} : { idleMs }), ...(totalMs === undefined ? {} : { totalMs }) };
}

function inMs(duration: Given['idle']): number | undefined {
  return duration === undefined ? undefined : Math.round(durationMs(duration));
}
