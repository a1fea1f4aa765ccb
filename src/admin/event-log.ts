import { setTimeout as delay } from 'node:timers/promises';
import { create } from '@bufbuild/protobuf';
import { timestampFromMs, timestampMs } from '@bufbuild/protobuf/wkt';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { Principal } from '../auth/principal.ts';
import type { ChainFault, EventFilter, EventStore } from '../db/event-record.ts';
import type { EventFilter as FilterMessage } from '../gen/dragon/turnstile/api/v1/event_pb.ts';
import {
  VerifyEventLogResponse_Fault as Fault,
  FollowEventLogRequestSchema,
  FollowEventLogResponseSchema,
  type TurnstileService,
} from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { callerOf, requireAdmin } from './caller.ts';
import { toConnectError } from './connect-error.ts';
import { outcomeOf, toEventMessage, typeOf } from './event-message.ts';
import { toPageRequest } from './pages.ts';
import { createValidate } from './validation.ts';

type EventMethods = Pick<
  ServiceImpl<typeof TurnstileService>,
  'getEventLog' | 'followEventLog' | 'verifyEventLog'
>;

export interface EventLogOptions {
  /** Undefined: events are not kept. */
  readonly store: EventStore | undefined;
  /** Aborted when the server begins to close: whoever follows is let go. */
  readonly closing: AbortSignal;
  /** Milliseconds between two looks for what is new; 1000 unless given. */
  readonly pollMs?: number;
}

const POLL_MS = 1000;

/** Events in one response to who follows. */
const BATCH = 500;

/** Who follows has the database asked again and again. */
const MAX_FOLLOWERS = 100;

const FAULTS: Readonly<Record<ChainFault, Fault>> = {
  edited: Fault.EDITED,
  removed: Fault.REMOVED,
  inserted: Fault.INSERTED,
};

/** The part of the management API that is about events. */
export function createEventMethods({ store, closing, pollMs = POLL_MS }: EventLogOptions): EventMethods {
  const validate = createValidate();
  let followers = 0;

  function events(): EventStore {
    if (store !== undefined) return store;
    throw new GatewayError(Code.FailedPrecondition, 'Events are not kept (DRAGON_EVENTS is off)');
  }

  async function* follow(filter: EventFilter, signal: AbortSignal) {
    if (followers >= MAX_FOLLOWERS) {
      const message = 'As many follow the event log at this node as can; try again later, or at another';
      throw new GatewayError(Code.TooManyRequests, message, { retryAfter: 10 });
    }
    followers++;
    try {
      let seen = await events().last(filter.tenantId);
      yield create(FollowEventLogResponseSchema, {});
      while (!signal.aborted) {
        const { items, ordinal } = await events().after(filter, seen, BATCH);
        seen = ordinal;
        if (items.length > 0)
          yield create(FollowEventLogResponseSchema, { events: items.map(toEventMessage) });
        if (items.length < BATCH)
          await delay(pollMs, undefined, { signal, ref: false }).catch(() => undefined);
      }
    } finally {
      followers--;
    }
  }

  return {
    async getEventLog(request, context: HandlerContext) {
      const filter = toFilter(callerOf(context), request.filter);
      const { pageSize, pageToken } = toPageRequest(request);
      const page = await events().page(filter, pageSize, pageToken);
      return { events: page.items.map(toEventMessage), nextPageToken: page.nextPageToken ?? '' };
    },

    async *followEventLog(request, context: HandlerContext) {
      try {
        // The interceptor sees streams before there is anything in them.
        validate(FollowEventLogRequestSchema, request);
        const filter = toFilter(callerOf(context), request.filter);
        yield* follow(filter, AbortSignal.any([context.signal, closing]));
      } catch (thrown) {
        throw toConnectError(thrown);
      }
    },

    async verifyEventLog(_request, context: HandlerContext) {
      const caller = callerOf(context);
      requireAdmin(caller, 'verify the event log');
      const { checked, ordinal, hash, bad } = await events().verify(caller.tenantId);
      const found = { checked: BigInt(checked), last: BigInt(ordinal), hash };
      if (bad === undefined) return found;
      return {
        ...found,
        fault: FAULTS[bad.fault],
        number: BigInt(bad.ordinal),
        id: bad.id ?? '',
        ...(bad.time === undefined ? {} : { time: timestampFromMs(bad.time) }),
      };
    },
  };
}

/** A user's own events; an admin's tenant's. */
function toFilter(caller: Principal, asked: FilterMessage | undefined): EventFilter {
  const type = typeOf(asked?.type);
  const outcome = outcomeOf(asked?.outcome);
  const userId = userAsked(caller, asked?.userId ?? '');
  const { server = '', tool = '', since, until } = asked ?? {};
  return {
    tenantId: caller.tenantId,
    ...(userId === undefined ? {} : { userId }),
    ...(type === undefined ? {} : { type }),
    ...(outcome === undefined ? {} : { outcome }),
    ...(server === '' ? {} : { server }),
    ...(tool === '' ? {} : { tool }),
    ...(since === undefined ? {} : { since: timestampMs(since) }),
    ...(until === undefined ? {} : { until: timestampMs(until) }),
  };
}

/** Undefined: everybody of the tenant. */
function userAsked(caller: Principal, userId: string): string | undefined {
  if (caller.roles.includes('admin')) return userId === '' ? undefined : userId;
  if (userId !== '' && userId !== caller.userId) requireAdmin(caller, 'see the events of others');
  return caller.userId;
}
