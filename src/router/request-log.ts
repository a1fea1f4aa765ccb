import type { RequestMessage } from '../protocol/envelope.ts';
import type { LogFields } from '../telemetry/types.ts';
import { type EndedCall, nameAsked } from './call-event.ts';

/** What tells which request of a client a line of the log is about: its id, a name of its session, and its trace. */
export function aboutRequest(
  message: RequestMessage,
  session: string | undefined,
  traceId: string | undefined,
): LogFields {
  return {
    request: message.id,
    ...(session === undefined ? {} : { session }),
    ...(traceId === undefined ? {} : { trace_id: traceId }),
  };
}

/** What the log says of a request that is over. Nothing of what was asked for or answered. */
export function requestLine(call: EndedCall, about: LogFields): LogFields {
  const { message, principal, server, outcome, error, durationMs, answerBytes } = call;
  const subject = call.subject ?? nameAsked(message);
  return {
    ...about,
    method: message.method,
    ...(subject === undefined ? {} : { tool: subject }),
    ...(server === undefined ? {} : { server }),
    user: principal.userId,
    tenant: principal.tenantId,
    outcome,
    ms: Math.round(durationMs * 10) / 10,
    ...(answerBytes === undefined ? {} : { answerBytes }),
    ...(error === undefined ? {} : { reason: error.message }),
  };
}
