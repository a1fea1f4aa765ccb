import type { Principal } from '../auth/principal.ts';
import type { EventFields, EventOutcome } from '../events/event.ts';
import { own, type RequestMessage } from '../protocol/envelope.ts';
import { Code, type GatewayError } from '../protocol/errors.ts';
import type { Outcome } from '../telemetry/types.ts';

/** The methods that have something done or read at a server. */
const CALLS: ReadonlySet<string> = new Set(['tools/call', 'prompts/get', 'resources/read']);

/** Whether the event log has an entry for each request of this method. */
export function isCall(method: string): boolean {
  return CALLS.has(method);
}

/** What is known of a call when it is over. */
export interface EndedCall {
  readonly message: RequestMessage;
  readonly principal: Principal;
  readonly session: string | undefined;
  /** The server's own name of what is asked for; absent: nobody was found who has it. */
  readonly subject: string | undefined;
  readonly server: string | undefined;
  readonly outcome: Outcome;
  readonly error: GatewayError | undefined;
  readonly durationMs: number;
  readonly answerBytes: number | undefined;
}

/** The event of a call. `withArguments`: they are of use. */
export function callEvent(call: EndedCall, withArguments: boolean): EventFields {
  const { message, principal } = call;
  return {
    type: 'call',
    action: message.method,
    tenantId: principal.tenantId,
    userId: principal.userId,
    outcome: eventOutcome(call.outcome, call.error),
    server: call.server,
    tool: call.subject ?? nameAsked(message),
    session: call.session,
    durationMs: call.durationMs,
    requestBytes: Buffer.byteLength(message.text),
    answerBytes: call.answerBytes,
    args: withArguments && message.params !== undefined ? own(message.params, 'arguments') : undefined,
  };
}

/** That the policy kept somebody from something. It is nobody's own, since to its caller the thing is not there: admins see it. */
export function denialEvent(
  message: RequestMessage,
  { tenantId, userId }: Principal,
  session: string | undefined,
): EventFields {
  const tool = nameAsked(message);
  const detail = { user: userId };
  return { type: 'denial', action: message.method, tenantId, outcome: 'denied', tool, session, detail };
}

/** As the client calls it. */
export function nameAsked({ params }: RequestMessage): string | undefined {
  if (params === undefined) return undefined;
  const name = own(params, 'name') ?? own(params, 'uri');
  return typeof name === 'string' ? name : undefined;
}

export function eventOutcome(outcome: Outcome, error: GatewayError | undefined): EventOutcome {
  switch (error?.code) {
    case Code.DownstreamTimeout:
      return 'timeout';
    case Code.Forbidden:
    case Code.Unauthenticated:
      return 'denied';
    default:
      break;
  }
  // As its caller sees it, who must not be able to tell: see denialEvent.
  if (outcome === 'denied') return error === undefined ? 'tool_error' : 'protocol_error';
  return outcome === 'error' || outcome === 'limited' ? 'protocol_error' : outcome;
}
