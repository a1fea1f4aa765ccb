import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { durationFromMs, timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { EventOutcome, EventType, StoredEvent } from '../events/event.ts';
import {
  type Event,
  EventSchema,
  Event_Outcome as Outcome,
  Event_Type as Type,
} from '../gen/dragon/turnstile/api/v1/event_pb.ts';

const TYPES: Readonly<Record<EventType, Type>> = {
  call: Type.CALL,
  session: Type.SESSION,
  login: Type.LOGIN,
  key: Type.KEY,
  management: Type.MANAGEMENT,
  server: Type.SERVER,
  node: Type.NODE,
  denial: Type.DENIAL,
};

const OUTCOMES: Readonly<Record<EventOutcome, Outcome>> = {
  ok: Outcome.OK,
  tool_error: Outcome.TOOL_ERROR,
  protocol_error: Outcome.PROTOCOL_ERROR,
  timeout: Outcome.TIMEOUT,
  cancelled: Outcome.CANCELLED,
  denied: Outcome.DENIED,
  error: Outcome.ERROR,
};

/** Undefined: any. */
export function typeOf(asked: Type | undefined): EventType | undefined {
  return (Object.keys(TYPES) as EventType[]).find((name) => TYPES[name] === asked);
}

/** Undefined: any. */
export function outcomeOf(asked: Outcome | undefined): EventOutcome | undefined {
  return (Object.keys(OUTCOMES) as EventOutcome[]).find((name) => OUTCOMES[name] === asked);
}

export function toEventMessage(event: StoredEvent): Event {
  const { durationUs, requestBytes = 0, answerBytes = 0 } = event;
  const detail: MessageInitShape<typeof EventSchema>['detail'] | undefined =
    event.detail === undefined ? undefined : JSON.parse(event.detail);
  return create(EventSchema, {
    id: event.id,
    time: timestampFromMs(event.time),
    type: TYPES[event.type],
    action: event.action,
    outcome: OUTCOMES[event.outcome],
    userId: event.userId ?? '',
    server: event.server ?? '',
    tool: event.tool ?? '',
    session: event.session ?? '',
    node: event.node,
    requestBytes: BigInt(requestBytes),
    answerBytes: BigInt(answerBytes),
    ...(durationUs === undefined ? {} : { duration: durationOf(durationUs) }),
    ...(detail === undefined ? {} : { detail }),
  });
}

function durationOf(us: number) {
  const { seconds } = durationFromMs(Math.floor(us / 1e6) * 1000);
  return { seconds, nanos: (us % 1e6) * 1000 };
}
