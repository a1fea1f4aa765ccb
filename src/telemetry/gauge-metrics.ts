import type { Attributes } from '@opentelemetry/api';
import type { Description, Tallies } from './tallies.ts';
import type { Gauges } from './types.ts';

type Single = {
  [K in keyof Gauges]: Gauges[K] extends () => number | undefined ? K : never;
}[keyof Gauges];

type ByLabel = 'refused' | 'events' | 'forwards';

const GAUGES: Readonly<Record<Single, Description>> = {
  sessions: { name: 'dragon.sessions', description: 'Sessions of clients' },
  streams: { name: 'dragon.streams', description: 'Streams open to clients' },
  inFlight: {
    name: 'dragon.requests.in.flight',
    description: 'Requests of clients that servers have not answered yet',
  },
  admitted: {
    name: 'dragon.requests.admitted',
    description: 'Requests of clients that were let in and are not over',
  },
  refusalsWaiting: {
    name: 'dragon.refusals.waiting',
    description: 'Refused requests that are still to be told so',
  },
  overloaded: {
    name: 'dragon.overloaded',
    description: '1 while there is less time than is asked for, else 0',
  },
  parkedCalls: {
    name: 'dragon.calls.parked',
    description: 'Calls that wait for their clients to answer what was asked',
  },
  stdioProcesses: {
    name: 'dragon.stdio.processes',
    description: 'Downstream servers running as processes',
  },
  eventsWaiting: { name: 'dragon.events.waiting', description: 'Events that wait to be stored' },
  eventBacklog: {
    name: 'dragon.events.backlog',
    description: 'Entries of events in Redis, as the node that stores them has seen last',
  },
};

const COUNTS: Readonly<Record<ByLabel, Description & { readonly label: string }>> = {
  refused: {
    name: 'dragon.requests.refused',
    label: 'reason',
    description: 'What was refused for want of room or time, by why',
  },
  events: {
    name: 'dragon.events',
    label: 'result',
    description: 'Events, by what became of them on this node: stored or dropped',
  },
  forwards: {
    name: 'dragon.forwards',
    label: 'direction',
    description:
      'Requests to processes of other nodes that were sent, and those of other nodes that were served',
  },
};

/** What parts of the gateway tell of themselves when somebody asks. Until there is such a part, there is no series. */
export function observeGauges(tallies: Tallies, gauges: Partial<Gauges>): void {
  for (const key of Object.keys(GAUGES) as Single[])
    tallies.read(GAUGES[key], 'gauge', () => {
      const value = gauges[key]?.();
      return value === undefined ? [] : [[{}, value]];
    });
  for (const key of Object.keys(COUNTS) as ByLabel[]) {
    const { label, ...about } = COUNTS[key];
    tallies.read(about, 'sum', () => labelled(label, gauges[key]?.() ?? []));
  }
}

function* labelled(
  label: string,
  values: Iterable<readonly [string, number]>,
): Iterable<readonly [Attributes, number]> {
  for (const [value, count] of values) yield [{ [label]: value }, count];
}
