import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type Event,
  type EventFilterSchema,
  EventSchema,
  Event_Outcome as Outcome,
  Event_Type as Type,
} from '../gen/dragon/turnstile/api/v1/event_pb.ts';
import {
  VerifyEventLogResponse_Fault as Fault,
  VerifyEventLogResponseSchema,
} from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import type { EventOutcomeName, EventTypeName } from './event-names.ts';
import { ExitCode } from './exit.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import { type Management, messageJson } from './management.ts';
import { cut, printable, table } from './table.ts';

const PAGE_SIZE = 1000;

/** As the client of the API takes it: none. */
const NO_TIMEOUT = 0;

/** What a long chain may take to be gone over. */
const VERIFY_TIMEOUT_MS = 1_800_000;

const TYPES: Readonly<Record<EventTypeName, Type>> = {
  call: Type.CALL,
  session: Type.SESSION,
  login: Type.LOGIN,
  key: Type.KEY,
  management: Type.MANAGEMENT,
  server: Type.SERVER,
  node: Type.NODE,
  denial: Type.DENIAL,
};

const OUTCOMES: Readonly<Record<EventOutcomeName, Outcome>> = {
  ok: Outcome.OK,
  tool_error: Outcome.TOOL_ERROR,
  protocol_error: Outcome.PROTOCOL_ERROR,
  timeout: Outcome.TIMEOUT,
  cancelled: Outcome.CANCELLED,
  denied: Outcome.DENIED,
  error: Outcome.ERROR,
};

export interface EventWishes {
  readonly type?: EventTypeName;
  readonly server?: string;
  readonly tool?: string;
  readonly user?: string;
  readonly outcome?: EventOutcomeName;
  /** Milliseconds since the epoch. */
  readonly since?: number;
  readonly until?: number;
  readonly limit: number;
}

export async function listEvents(
  io: Io,
  options: GlobalOptions,
  management: Management,
  wishes: EventWishes,
): Promise<ExitCode> {
  const events: Event[] = [];
  const filter = filterOf(wishes);
  let pageToken = '';
  do {
    const pageSize = Math.min(PAGE_SIZE, wishes.limit - events.length);
    const page = await management.getEventLog({ filter, pageSize, pageToken });
    events.push(...page.events);
    pageToken = page.nextPageToken;
  } while (pageToken !== '' && events.length < wishes.limit);
  const json = events.map((event) => messageJson(EventSchema, event));
  print(io, options, json, () => (events.length === 0 ? 'No events.' : table(HEAD, events.map(cellsOf))));
  return ExitCode.Ok;
}

/** A line for each event, as it comes; with `--json` an object a line. */
export async function followEvents(
  io: Io,
  options: GlobalOptions,
  management: Management,
  wishes: EventWishes,
): Promise<ExitCode> {
  const responses = management.followEventLog({ filter: filterOf(wishes) }, { timeoutMs: NO_TIMEOUT });
  for await (const { events } of responses) {
    for (const event of events) {
      const line = options.json
        ? JSON.stringify(messageJson(EventSchema, event))
        : cellsOf(event)
            .filter((cell) => cell !== '')
            .map(printable)
            .join('  ');
      io.out(`${line}\n`);
    }
  }
  io.err('The gateway has ended.\n');
  return ExitCode.Failed;
}

export async function verifyEvents(
  io: Io,
  options: GlobalOptions,
  management: Management,
): Promise<ExitCode> {
  const found = await management.verifyEventLog({}, { timeoutMs: VERIFY_TIMEOUT_MS });
  const { checked, last, hash, fault, number, id, time } = found;
  const isWhole = fault === Fault.UNSPECIFIED;
  print(io, options, messageJson(VerifyEventLogResponseSchema, found), () => {
    if (isWhole)
      return last === 0n
        ? 'There are no events yet.'
        : `${checked} events are as they were. The last is number ${last}, its hash ${hash}.`;
    const when = time === undefined ? '' : ` of ${timestampDate(time).toISOString()}`;
    const which = `Event ${number}${id === '' ? '' : ` (${id})`}${when}`;
    return `${which} ${FAULTS[fault]}. ${checked} events before it are as they were.`;
  });
  return isWhole ? ExitCode.Ok : ExitCode.Failed;
}

const FAULTS: Readonly<Record<Fault, string>> = {
  [Fault.UNSPECIFIED]: 'is as it was',
  [Fault.EDITED]: 'was edited',
  [Fault.REMOVED]: 'was removed',
  [Fault.INSERTED]: 'was put in',
};

function filterOf(wishes: EventWishes): MessageInitShape<typeof EventFilterSchema> {
  const { type, outcome, server = '', tool = '', user = '', since, until } = wishes;
  return {
    server,
    tool,
    userId: user,
    ...(type === undefined ? {} : { type: TYPES[type] }),
    ...(outcome === undefined ? {} : { outcome: OUTCOMES[outcome] }),
    ...(since === undefined ? {} : { since: timestampFromMs(since) }),
    ...(until === undefined ? {} : { until: timestampFromMs(until) }),
  };
}

const HEAD = ['time', 'what', 'outcome', 'user', 'server', 'about', 'took'];

function cellsOf(event: Event): string[] {
  const { time, type, action, outcome, userId, server, tool, duration } = event;
  const took = duration && Number(duration.seconds) * 1000 + duration.nanos / 1e6;
  const kind = nameOf(TYPES, type);
  return [
    time === undefined ? '' : timestampDate(time).toISOString(),
    kind === 'call' || kind === 'management' ? action : `${kind} ${action}`,
    nameOf(OUTCOMES, outcome),
    userId,
    server,
    cut(tool === '' ? aboutOf(event) : tool, 60),
    took === undefined ? '' : `${took < 10 ? took.toFixed(1) : Math.round(took)} ms`,
  ];
}

/** Of what is no call: a name, or why. */
function aboutOf({ detail, node, type }: Event): string {
  const said = detail?.['name'] ?? detail?.['reason'] ?? detail?.['client'] ?? detail?.['id'];
  if (typeof said === 'string') return said;
  return type === Type.NODE ? node : '';
}

function nameOf<Value>(names: Readonly<Record<string, Value>>, value: Value): string {
  return Object.entries(names).find(([, known]) => known === value)?.[0] ?? '?';
}
