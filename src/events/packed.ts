import type { StoredEvent } from './event.ts';

/**
 * Events on their way to who stores them, as JSON without names, and without what an event has in common with the one
 * before: well under half as long, and each is written, signed, sent and read by processes that have calls to serve. Whoever adds a
 * field puts it at the end.
 */
export function pack(events: readonly StoredEvent[]): string {
  let before = NONE;
  const rows = events.map((event) => {
    const values = valuesOf(event, before);
    before = event;
    return values;
  });
  return JSON.stringify(rows);
}

/** What {@link pack} has made; throws where it is something else. */
export function unpack(text: string): readonly StoredEvent[] {
  let before = NONE;
  return JSON.parse(text).map((values: unknown) => {
    const event = eventOf(values, before);
    before = event;
    return event;
  });
}

type Before = Partial<StoredEvent>;

/** Before the first. */
const NONE: Before = {};

/** Stands for what the event before has: no value that is told so is a number. */
const SAME = 0;

function valuesOf(event: StoredEvent, before: Before): readonly unknown[] {
  return [
    event.id,
    event.time,
    event.tenantId === before.tenantId ? SAME : event.tenantId,
    event.userId === before.userId ? SAME : event.userId,
    event.type === before.type ? SAME : event.type,
    event.action === before.action ? SAME : event.action,
    event.outcome === before.outcome ? SAME : event.outcome,
    event.server === before.server ? SAME : event.server,
    event.tool === before.tool ? SAME : event.tool,
    event.session === before.session ? SAME : event.session,
    event.node === before.node ? SAME : event.node,
    event.durationUs,
    event.requestBytes,
    event.answerBytes,
    event.detail,
  ];
}

function eventOf(values: unknown, before: Before): StoredEvent {
  if (!Array.isArray(values) || typeof values[0] !== 'string') throw new TypeError('This is no event');
  // What an event has not is null in JSON.
  const at = (index: number) => values[index] ?? undefined;
  const or = (index: number, same: unknown) => (values[index] === SAME ? same : at(index));
  return {
    id: at(0),
    time: at(1),
    tenantId: or(2, before.tenantId),
    userId: or(3, before.userId),
    type: or(4, before.type),
    action: or(5, before.action),
    outcome: or(6, before.outcome),
    server: or(7, before.server),
    tool: or(8, before.tool),
    session: or(9, before.session),
    node: or(10, before.node),
    durationUs: at(11),
    requestBytes: at(12),
    answerBytes: at(13),
    detail: at(14),
  };
}
