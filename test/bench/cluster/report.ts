import { cpus } from 'node:os';
import { type Bound, held } from './bounds.ts';
import type { CallsRound } from './calls.ts';
import type { ForwardingRound, MessageCost } from './forwarding.ts';
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
  const callRate = grouped(conditions.callRate, 0);
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
      linesOf(forwarding).map((line) => {
        const costOf = (kind: 'message' | 'event') => {
          const figure = (name: keyof MessageCost, digits: number) =>
            median(line, (sample) => sample[kind][name], digits);
          return [
            `${figure('p50', 2)} / ${figure('p99', 2)}`,
            `${figure('redisCpu', 0)} + ${figure('nodesCpu', 0)}`,
          ];
        };
        const heartbeats = median(line, ({ heartbeatsCpu }) => heartbeatsCpu, 1);
        return [String(line[0]!.size), ...costOf('message'), ...costOf('event'), heartbeats];
      }),
    ),
    table(
      [
        'nodes',
        'requests of a session',
        `CPU a call at ${callRate}/s, ms`,
        'Redis of it, µs',
        'p50 / p99, ms',
        'calls/s at full load',
        'CPU a call, ms',
      ],
      linesOf(calls).map((line) => {
        const { nodes, way } = line[0]!;
        const p50 = median(line, ({ steady }) => steady.p50, 2);
        const p99 = median(line, ({ steady }) => steady.p99, 2);
        return [
          String(nodes),
          nodes === 1 ? 'to it' : way === 'sticky' ? 'to one node' : 'to each in turn',
          range(line, ({ steady }) => steady.cpuMs, 3),
          median(line, ({ steady }) => steady.redisMs * 1000, 1),
          `${p50} / ${p99}`,
          range(line, ({ full }) => full.perSecond, 0),
          range(line, ({ full }) => full.cpuMs, 3),
        ];
      }),
    ),
    table(
      ['bound', 'measured', 'limit', 'held'],
      bounds.map((bound) => [
        bound.what,
        rangeOf(bound.ratio, 2),
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

\`npm run bench -- cluster\` measures what it costs that there are other nodes; \`--write\` writes this page. One run has all
of it, on one machine, so what counts is the ratios. The last table says whether they kept within their limits.

- **A message between two nodes** is to cost the same however many nodes there are. Each node has a channel of its own, so
  Redis hands a message to one subscriber. The nodes are simulated, but real in all that reaches Redis: two connections
  each, heartbeats, pings. A message is a question or its answer, as when one node asks another for a stream that it
  has. An event is something that a server says to a client: the node that hears it logs it in Redis and sends it to the
  node that holds the client's connection. The session's log is full, so each event also drops one.
- **A call** is to cost the same whether all requests of a session go to one node or each goes to the next, since a
  session in hand needs no Redis. The nodes are gateways with one Redis and one PostgreSQL; all run all the time, and
  the first, the first two and so on are called, without a balancer. All share the cores with their clients, so more nodes cannot
  answer more calls here: the CPU time of a call decides. At full load each client calls again at once, and nodes keep
  each other from the cores.

${tables(results)}

${notes(results)}
`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${head.map(() => '--:').join('|')}|`, ...rows.map(line)].join('\n');
}

/** The samples of each line of a table, over the rounds. */
function linesOf<T>(rounds: readonly { readonly samples: readonly T[] }[]): T[][] {
  return rounds[0]!.samples.map((_, place) => rounds.map(({ samples }) => samples[place]!));
}

/** Undefined where a number is missing. */
function over<T>(line: readonly T[], pick: (sample: T) => number | undefined): Spread | undefined {
  const numbers = line.map(pick).filter((number) => number !== undefined);
  return numbers.length < line.length ? undefined : spread(numbers);
}

const UNKNOWN = 'not measured';

function median<T>(line: readonly T[], pick: (sample: T) => number | undefined, digits: number): string {
  const value = over(line, pick);
  return value === undefined ? UNKNOWN : grouped(value.median, digits);
}

/** The median, and the least and the most. */
function range<T>(line: readonly T[], pick: (sample: T) => number | undefined, digits: number): string {
  return rangeOf(over(line, pick), digits);
}

function rangeOf(value: Spread | undefined, digits: number): string {
  if (value === undefined) return UNKNOWN;
  const [middle, least, most] = [value.median, value.least, value.most].map((n) => grouped(n, digits));
  return `${middle} (${least}–${most})`;
}

function grouped(number: number, digits: number): string {
  return number.toLocaleString('en-US', { minimumFractionDigits: digits, maximumFractionDigits: digits });
}
