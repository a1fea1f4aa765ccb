import { cpus } from 'node:os';
import { reached } from './goals.ts';
import { NOISE } from './measure.ts';
import type { Footprint, Measure, Pair, Results } from './results.ts';
import {
  DIRECT,
  footprintRatio,
  GATEWAY,
  GATEWAY_REDIS,
  medianOf,
  NGINX,
  PROXY,
  pairsOf,
  ratioOf,
  SDK,
  typical,
} from './results.ts';
import { plot } from './svg.ts';

/** Under which the numbers came about. */
export interface Conditions {
  readonly tools: string;
  readonly pinning: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
  readonly sessions: number;
  readonly manySessions: number;
  /** Names with versions, such as that of nginx. */
  readonly versions: readonly string[];
}

const TARGETS = [DIRECT, PROXY, NGINX, GATEWAY, GATEWAY_REDIS, SDK];
const BASES = [PROXY, NGINX, SDK];

/** All tables, each under its heading. */
export function tables(results: Results): string {
  const usual = results.measures.filter(({ pairs }) => pairs === undefined);
  const special = results.measures.filter(({ pairs }) => pairs !== undefined);
  const parts: readonly (readonly [string, string | undefined])[] = [
    ['Beside others', ratios(usual)],
    ['Operations a second', rates(usual)],
    ['CPU time of an operation, ms', cpuTimes(usual)],
    ['Latency, p50 / p99, ms', latencies(usual)],
    ['What a call costs otherwise, and in peers', costs(special)],
    ['Memory, KB each', memory(results.footprints)],
    ['What is aimed at', goals(results)],
  ];
  return parts
    .filter(([, text]) => text !== undefined)
    .map(([heading, text]) => `## ${heading}\n\n${text}`)
    .join('\n\n');
}

/** docs/performance.md. */
export function page(results: Results, conditions: Conditions): string {
  return `# Performance

\`npm run bench\` wrote this page. It puts the gateway and others in front of the same cheap MCP server, one after the other
in each round, and compares them. What counts is a ratio: it depends on the machine far less than the numbers themselves.

- **direct**: nothing in between. **bare proxy**: the least that a proxy on \`node:http\` does (\`test/bench/proxy.ts\`).
  **nginx**: a reverse proxy of one process that keeps its connections open. **SDK-only gateway**: a server and a client of
  the official TypeScript SDK for each session (\`test/bench/sdk-gateway.ts\`).
- **gateway**: one node, with everything in its process. **gateway with Redis**: a node of a cluster, its Redis and its
  PostgreSQL on the core of the load. Both with metrics and the event log on.
- Each is measured when it is warm, and when nothing else runs: events of calls that are still to be stored do not cost the next.
- In "Beside others" each cell has calls (lists, starts) a second, then calls for each second of CPU time, as multiples of
  those of the other. 1 is as much, more is better. Where the two differ, something else than the process was at its limit,
  and the second one tells.

![${PLOT_TITLE}](performance.svg)

${tables(results)}

## How it was measured

${notes(results, conditions)}
`;
}

const PLOT_TITLE = 'Calls a second, JSON answers of 100 bytes';

/** docs/performance.svg; undefined where the curve was not measured. */
export function curve({ measures }: Results): string | undefined {
  const small = measures.filter(({ id }) => id.startsWith('calls JSON 100 B '));
  // Direct calls would press all others down, and are bound by the load generator.
  const series = TARGETS.filter((target) => target !== DIRECT).map((name) => ({
    name,
    points: small.flatMap((measure): [number, number][] => {
      const rate = typical(measure, name, ({ perSecond }) => perSecond);
      return rate === undefined ? [] : [[measure.connections, rate]];
    }),
  }));
  const drawn = series.filter(({ points }) => points.length > 0);
  return drawn.length === 0 ? undefined : plot(PLOT_TITLE, 'connections', 'calls a second', drawn);
}

/** Under which conditions the tables came about, in lines. */
export function notes({ measures, missing = [] }: Results, conditions: Conditions): string {
  const { rounds, seconds, warmupSeconds, sessions, manySessions, versions } = conditions;
  const noisy = measures.filter((measure) => anyTarget(measure, isNoisy));
  return [
    `- Median of ${rounds} ${rounds === 1 ? 'round' : 'rounds'} of ${seconds} s each, after ${warmupSeconds} s that are not counted. A ratio is made within each round. One session and one operation in flight a connection.`,
    `- ${capital(conditions.tools)}; ${conditions.pinning}.`,
    `- A mark (*) means that the core of the load generator and the server behind was full: more could not be measured. The CPU time is not touched by that.`,
    `- JSON, 1 MB has small requests and large answers, from a server on Node. Many sessions: ${manySessions.toLocaleString('en-US')} beside some hundred.`,
    `- Memory: what the resident memory grew by for each of up to ${sessions.toLocaleString('en-US')} (fewer where file descriptors did not suffice or it took too long), after a third as many before, garbage collected.`,
    `- Peers from npm do less, and not the same: mcp-proxy and supergateway put a command on HTTP, so their server runs as a command; fastmcp makes servers, so one made with it calls through the SDK's client.`,
    `- Clients and servers of two eras are on Node, slower than what they measure: there the CPU time tells.`,
    `- Node ${process.versions.node}, ${versions.join(', ')}, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}).`,
    ...measures.flatMap(failures),
    ...missing.map((what) => `- **Not measured:** ${what}.`),
    ...(noisy.length === 0
      ? []
      : [
          `- **Disturbed:** something else took more than ${NOISE} of a core in ${noisy.map(nameOf).join('; ')}. Run it again on a quiet machine.`,
        ]),
  ].join('\n');
}

/** One line for each target that did not do all that it was asked to. */
function failures(measure: Measure): string[] {
  return Object.entries(measure.samples).flatMap(([target, samples]) => {
    const errors = samples.reduce((sum, sample) => sum + sample.errors, 0);
    return errors === 0 ? [] : [`- **Failed:** ${errors} of ${nameOf(measure)}, ${target}.`];
  });
}

function ratios(measures: readonly Measure[]): string | undefined {
  const targets = [GATEWAY, GATEWAY_REDIS];
  const pairs = targets.flatMap((target) => BASES.map((base): Pair => [target, base]));
  const head = pairs.map(([target, base]) => `${target} ${base === SDK ? '×' : '÷'} ${base}`);
  const rows = measures
    .filter((measure) => pairsOf(measure).length > 0)
    .map((measure) => [nameOf(measure), ...pairs.map((pair) => rateAndCpu(measure, pair))]);
  return table(['', ...head], rows);
}

function rates(measures: readonly Measure[]): string | undefined {
  return byTarget(measures, (measure, target) => {
    const rate = typical(measure, target, ({ perSecond }) => perSecond);
    if (rate === undefined) return '';
    return `${rate < 100 ? rate.toFixed(1) : whole(rate)}${isBound(measure, target) ? ' *' : ''}`;
  });
}

function cpuTimes(measures: readonly Measure[]): string | undefined {
  return byTarget(measures, (measure, target) => {
    const cpu = typical(measure, target, ({ cpuMs }) => cpuMs);
    return cpu === undefined ? '' : significant(cpu);
  });
}

function latencies(measures: readonly Measure[]): string | undefined {
  return byTarget(measures, (measure, target) => {
    const [p50, p99] = [
      typical(measure, target, (sample) => sample.p50),
      typical(measure, target, (sample) => sample.p99),
    ];
    return p50 === undefined || p99 === undefined ? '' : `${significant(p50)} / ${significant(p99)}`;
  });
}

function byTarget(
  measures: readonly Measure[],
  cell: (measure: Measure, target: string) => string,
): string | undefined {
  const there = TARGETS.filter((target) => measures.some(({ samples }) => target in samples));
  return table(
    ['', ...there],
    measures.map((measure) => [nameOf(measure), ...there.map((target) => cell(measure, target))]),
  );
}

function costs(measures: readonly Measure[]): string | undefined {
  const rows = measures.flatMap((measure) =>
    pairsOf(measure).map((pair) => {
      const [own, other] = pair.map((target) => {
        const rate = typical(measure, target, ({ perSecond }) => perSecond) ?? 0;
        return `${whole(rate)}${isBound(measure, target) ? ' *' : ''}`;
      });
      return [...pair, own ?? '', other ?? '', rateAndCpu(measure, pair)];
    }),
  );
  return table(
    ['', 'beside', 'calls/s', 'calls/s of the other', 'ratio of calls/s, of calls a CPU second'],
    rows,
  );
}

function memory(footprints: readonly Footprint[]): string | undefined {
  const there = TARGETS.filter((target) => footprints.some(({ kb }) => target in kb));
  const rows = footprints.map(({ what, kb }) => [what, ...there.map((name) => kb[name]?.toFixed(1) ?? '')]);
  const beside = footprints.flatMap((footprint) =>
    footprint.pairs.map((pair) => {
      const ratio = footprintRatio(footprint, pair);
      return [footprint.what, ...pair, ratio === undefined ? '' : (1 / ratio).toFixed(2)];
    }),
  );
  const first = table(['', ...there], rows);
  const second = table(['', 'of', 'beside', 'memory, as a multiple'], beside);
  return first && second ? `${first}\n\n${second}` : first;
}

function goals(results: Results): string | undefined {
  const rows = reached(results)
    .filter(({ measured }) => measured !== undefined)
    .map(({ what, target, limit, measured, isHeld }) => [
      what,
      target,
      limit,
      measured ?? '',
      isHeld === true ? 'yes' : '**no**',
    ]);
  return table(['', 'of', 'aim', 'measured', 'reached'], rows);
}

/** Whether load generator and downstream, which share a core, had none of it left. */
function isBound({ samples }: Measure, target: string): boolean {
  const taken = (samples[target] ?? []).map(({ loadCpu = 0, downstreamCpu = 0 }) => loadCpu + downstreamCpu);
  return (medianOf(taken) ?? 0) > 0.95;
}

function isNoisy({ samples }: Measure, target: string): boolean {
  return (typical({ samples } as Measure, target, ({ otherCpu }) => otherCpu) ?? 0) > NOISE;
}

const anyTarget = (measure: Measure, test: (measure: Measure, target: string) => boolean) =>
  Object.keys(measure.samples).some((target) => test(measure, target));

function nameOf({ what, connections }: Measure): string {
  return `${what}, ${connections} ${connections === 1 ? 'connection' : 'connections'}`;
}

function rateAndCpu(measure: Measure, pair: Pair): string {
  const [rate, cpu] = [ratioOf(measure, pair, 'rate'), ratioOf(measure, pair, 'CPU')];
  if (rate === undefined) return '';
  return cpu === undefined ? rate.toFixed(2) : `${rate.toFixed(2)}, ${cpu.toFixed(2)}`;
}

/** The first column is words, all others are numbers. Undefined without rows. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string | undefined {
  if (rows.length === 0) return undefined;
  const line = (cells: readonly string[]) => `| ${cells.join(' | ')} |`;
  const rule = `|${head.map((_, place) => (place === 0 ? '---' : '--:')).join('|')}|`;
  return [line(head), rule, ...rows.map(line)].join('\n');
}

const significant = (number: number) =>
  number >= 100 ? whole(number) : number.toFixed(number < 0.1 ? 4 : number < 1 ? 3 : 2);

const whole = (number: number) => Math.round(number).toLocaleString('en-US');

const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);
