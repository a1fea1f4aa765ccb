import { cpus } from 'node:os';
import { type Bound, held } from './bounds.ts';
import type { CallsRound, CallsSample } from './calls.ts';
import type { ForwardingRound, ForwardingSample } from './forwarding.ts';
import { NOISE } from './rounds.ts';
import { type Spread, spread } from './statistics.ts';

/** What was measured, and how. */
export interface Results {
  readonly forwarding: readonly ForwardingRound[];
  readonly calls: readonly CallsRound[];
  readonly bounds: readonly Bound[];
  readonly conditions: Conditions;
}

interface Conditions {
  /** Messages and events a second, and calls. */
  readonly rate: number;
  readonly callRate: number;
  readonly sessions: number;
  readonly payloadBytes: number;
  readonly rounds: number;
  /** Within a round, of each line of the tables. */
  readonly secondsForwarding: number;
  readonly secondsCalls: number;
  readonly downstream: string;
}

/** The tables, as they are printed and as docs/performance-cluster.md has them. */
export function tables({ forwarding, calls, bounds, conditions }: Results): string {
  return [
    table(
      [
        'nodes',
        'message there and back, p50 / p99, ms',
        'CPU a message, Redis + both nodes, µs',
        'event, p50 / p99, ms',
        'CPU an event, Redis + both nodes, µs',
        'heartbeats, CPU of Redis, ms/s',
      ],
      forwarding[0]!.samples.map(({ size }, place) => {
        const of = (pick: (sample: ForwardingSample) => number) =>
          spread(forwarding.map(({ samples }) => pick(samples[place]!)));
        const kind = (name: 'message' | 'event') => [
          `${ms(of((sample) => sample[name].p50))} / ${ms(of((sample) => sample[name].p99))}`,
          `${fixed(
            of((sample) => sample[name].redisCpu),
            0,
          )} + ${fixed(
            of((sample) => sample[name].nodesCpu),
            0,
          )}`,
        ];
        return [
          String(size),
          ...kind('message'),
          ...kind('event'),
          fixed(
            of((sample) => sample.heartbeatsCpu),
            1,
          ),
        ];
      }),
    ),
    table(
      [
        'nodes',
        'requests of a session',
        `CPU a call at ${whole(conditions.callRate)}/s, ms`,
        'Redis of it, µs',
        'p50 / p99, ms',
        'calls/s at full load',
        'CPU a call, ms',
      ],
      calls[0]!.samples.map(({ nodes, way }, place) => {
        const of = (pick: (sample: CallsSample) => number | undefined) => {
          const numbers = calls
            .map(({ samples }) => pick(samples[place]!))
            .filter((number) => number !== undefined);
          return numbers.length < calls.length ? undefined : spread(numbers);
        };
        return [
          String(nodes),
          nodes === 1 ? 'to it' : way === 'sticky' ? 'to one node' : 'to each in turn',
          withSpread(
            of(({ steady }) => steady.cpuMs),
            3,
          ),
          fixed(
            of(({ steady }) => steady.redisMs * 1000),
            1,
          ),
          `${ms(of(({ steady }) => steady.p50))} / ${ms(of(({ steady }) => steady.p99))}`,
          withSpread(
            of(({ full }) => full.perSecond),
            0,
          ),
          withSpread(
            of(({ full }) => full.cpuMs),
            3,
          ),
        ];
      }),
    ),
    table(
      ['bound', 'measured', 'limit', 'held'],
      bounds.map((bound) => [
        bound.what,
        withSpread(bound.ratio, 2),
        bound.limit.toFixed(2),
        { true: 'yes', false: '**no**', undefined: 'not known' }[String(held(bound)) as 'true'],
      ]),
    ),
  ].join('\n\n');
}

/** Under which conditions the tables came about, in lines. */
export function notes({ forwarding, calls, conditions }: Results): string {
  const { rounds, rate, secondsForwarding, secondsCalls, sessions, payloadBytes, downstream } = conditions;
  const others = [forwarding, calls].map(
    (measured) => spread(measured.map(({ otherCpu }) => otherCpu ?? 0)).median,
  );
  return [
    `- Median of ${rounds} rounds; in brackets the least and the most of them. A ratio is made within each round.`,
    `- Within a round each line has ${secondsForwarding} s of each kind of message, or ${secondsCalls} s of calls at each load, in short turns: what disturbs the machine meets all lines.`,
    `- ${rate} questions with their answers a second, and ${rate} events a second, of some 250 bytes. CPU time is what they took beyond the heartbeats.`,
    `- ${sessions} sessions with a call under way each, of ${payloadBytes} bytes. Clients on Node, ${downstream}.`,
    `- Node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}), for gateways, Redis, server and clients together.`,
    ...(others.some((share) => share > NOISE)
      ? [
          `- **Disturbed:** something else took ${others.map((share) => share.toFixed(1)).join(' and ')} of a core while this was measured. Run it again on a quiet machine.`,
        ]
      : []),
  ].join('\n');
}

/** docs/performance-cluster.md. */
export function page(results: Results): string {
  return `# Performance of a cluster

\`npm run bench -- cluster\` measures what it costs that there are other nodes. \`--write\` writes this page.

- **A message between two nodes** costs the same among 2 nodes and among 200. Each node has a channel of its own, so Redis
  hands a message to one subscriber, however many there are. Simulated nodes are real in all that reaches Redis: two
  connections each, heartbeats, pings. A message is a question or its answer, such as another node's stream being taken
  over; an event is something that a server says to a client, which is logged in Redis by the node that hears it and goes
  to the node that holds the client's connection. The session's log is full, so one event is dropped for each that comes.
- **A call** costs the same whether all requests of a session go to one node or each goes to the next: a session in hand
  needs no Redis. Three gateways run with one Redis and one PostgreSQL; the clients call one, two or three of them
  directly, without a balancer. All share the cores with their clients, so more nodes cannot answer more calls here: it
  is the CPU time of a call that counts.
- **Heartbeats** cost Redis what the table says: one script a second for each node, and a ping every two.

${tables(results)}

${notes(results)}
`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '--:').join('|')}|`, ...rows.map(line)].join('\n');
}

const UNKNOWN = 'not measured';

const fixed = (value: Spread | undefined, digits: number) =>
  value === undefined ? UNKNOWN : grouped(value.median, digits);

const ms = (value: Spread | undefined) => fixed(value, 2);

function withSpread(value: Spread | undefined, digits: number): string {
  if (value === undefined) return UNKNOWN;
  const { median, least, most } = value;
  return `${grouped(median, digits)} (${grouped(least, digits)}–${grouped(most, digits)})`;
}

const whole = (number: number) => grouped(number, 0);

function grouped(number: number, digits: number): string {
  return number.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
