import type { EventFields, EventLog, StoredEvent } from '../../src/events/event.ts';
import { uuidV7 } from '../../src/events/uuid.ts';

/** An event as it is kept, with what a test does not say. */
export function storedEvent(more: Partial<StoredEvent> = {}): StoredEvent {
  const time = more.time ?? Date.now();
  return {
    id: uuidV7(time),
    time,
    tenantId: 'default',
    userId: 'local',
    type: 'call',
    action: 'tools/call',
    outcome: 'ok',
    node: 'node-1',
    server: 'weather',
    tool: 'forecast',
    durationUs: 1234,
    requestBytes: 100,
    answerBytes: 200,
    ...more,
  };
}

/** Keeps what it is told in a list. */
export class RecordedEvents implements EventLog {
  readonly events: EventFields[] = [];
  readonly wantsArguments = false;

  append(event: EventFields): void {
    this.events.push(event);
  }

  answered(tell: () => void): void {
    tell();
  }
}
