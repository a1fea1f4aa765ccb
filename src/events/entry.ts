import { createHash } from 'node:crypto';
import { redact } from '../telemetry/redact.ts';
import type { EventFields, StoredEvent } from './event.ts';
import { uuidV7 } from './uuid.ts';

/** What is kept of the arguments of calls: nothing, a digest, or all but what looks like a secret. */
export type ArgumentsKept = 'none' | 'hashed' | 'full';

/** Names may come from clients; what is longer is nobody's to read. */
const MAX_NAME = 512;

/** Characters of arguments that are kept. */
const MAX_ARGUMENTS = 8192;

/** The event as it is kept, at the time when it happened. */
export function toStored(event: EventFields, time: number, node: string, kept: ArgumentsKept): StoredEvent {
  const { server, tool, durationMs } = event;
  // Of one shape, always: this is done for each call. What is undefined is left out where it is written.
  return {
    id: uuidV7(time),
    time,
    tenantId: event.tenantId,
    userId: event.userId,
    type: event.type,
    action: plain(event.action),
    outcome: event.outcome,
    server: server === undefined ? undefined : plain(server),
    tool: tool === undefined ? undefined : plain(tool),
    session: event.session,
    node,
    durationUs: durationMs === undefined ? undefined : Math.round(durationMs * 1000),
    requestBytes: event.requestBytes,
    answerBytes: event.answerBytes,
    detail: detailOf(event, kept),
  };
}

function detailOf({ detail, args }: EventFields, kept: ArgumentsKept): string | undefined {
  const about = kept === 'none' || args === undefined ? undefined : argumentsKept(args, kept);
  if (detail === undefined && about === undefined) return undefined;
  const given = detail === undefined ? {} : redact(detail);
  return JSON.stringify({ ...given, ...about }, (_, value) =>
    typeof value === 'string' ? clean(value) : value,
  );
}

function argumentsKept(args: unknown, kept: Exclude<ArgumentsKept, 'none'>): Record<string, unknown> {
  if (kept === 'hashed') {
    const digest = createHash('sha256')
      .update(JSON.stringify(args) ?? '')
      .digest('base64url');
    return { argumentsSha256: digest };
  }
  const { arguments: shown } = redact({ arguments: args });
  const text = JSON.stringify(shown) ?? '';
  return text.length <= MAX_ARGUMENTS
    ? { arguments: shown }
    : { arguments: text.slice(0, MAX_ARGUMENTS), argumentsCut: true };
}

/** As every database takes it. */
function plain(text: string): string {
  return clean(text.length > MAX_NAME ? text.slice(0, MAX_NAME) : text);
}

/** PostgreSQL stores neither NUL nor half a character. */
function clean(text: string): string {
  const whole = text.isWellFormed() ? text : text.toWellFormed();
  return whole.includes('\0') ? whole.replaceAll('\0', '\uFFFD') : whole;
}
