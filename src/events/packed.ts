import type { StoredEvent } from './event.ts';

/**
 * Events on their way to who stores them, as JSON without names: half as long, and each is written, signed, sent and read by
 * processes that have calls to serve. Whoever adds a field puts it at the end.
 */
export function pack(events: readonly StoredEvent[]): string {
  return JSON.stringify(events.map(valuesOf));
}

/** What {@link pack} has made; throws where it is something else. */
export function unpack(text: string): readonly StoredEvent[] {
  return JSON.parse(text).map(eventOf);
}

function valuesOf(event: StoredEvent): readonly unknown[] {
  return [
    event.id,
    event.time,
    event.tenantId,
    event.userId,
    event.type,
    event.action,
    event.outcome,
    event.server,
    event.tool,
    event.session,
    event.node,
    event.durationUs,
    event.requestBytes,
    event.answerBytes,
    event.detail,
  ];
}

function eventOf(values: unknown): StoredEvent {
  if (!Array.isArray(values) || typeof values[0] !== 'string') throw new TypeError('This is no event');
  // What an event has not is null in JSON.
  const at = (index: number) => values[index] ?? undefined;
  return {
    id: at(0),
    time: at(1),
    tenantId: at(2),
    userId: at(3),
    type: at(4),
    action: at(5),
    outcome: at(6),
    server: at(7),
    tool: at(8),
    session: at(9),
    node: at(10),
    durationUs: at(11),
    requestBytes: at(12),
    answerBytes: at(13),
    detail: at(14),
  };
}
