import type { ServerRecord } from '../db/server-record.ts';
import type { EventLog, EventOutcome } from '../events/event.ts';

/** Keeps in the event log what has become of somebody's log-in to a server. */
export function noteLogin(
  events: EventLog,
  { owner, name: server }: ServerRecord,
  action: 'logged_in' | 'logged_out',
  outcome: EventOutcome,
): void {
  const { tenantId, userId } = owner;
  events.append({ type: 'login', action, tenantId, userId, server, outcome });
}
