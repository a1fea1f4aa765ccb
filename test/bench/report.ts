import { cpus } from 'node:os';
import type { Sample } from './measure.ts';
import { NOISE } from './measure.ts';

/** Medians for one number of connections. */
export interface Row {
  readonly connections: number;
  readonly direct: Sample;
  readonly proxy: Sample;
  readonly gateway: Sample;
}

export interface Conditions {
  readonly tools: string;
  readonly pinning: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly payloadBytes: number;
}

/** The one table: calls a second, and what the gateway costs beside a bare proxy. */
export function table(rows: readonly Row[]): string {
  return [
    '| connections | direct, calls/s | bare proxy, calls/s | gateway, calls/s | gateway ÷ proxy | CPU a call, gateway / proxy, ms | gateway p50 / p99, ms | proxy p50 / p99, ms |',
    '|--:|--:|--:|--:|--:|--:|--:|--:|',
    ...rows.map(({ connections, direct, proxy, gateway }) =>
      [
        '',
        connections,
        whole(direct.callsPerSecond),
        whole(proxy.callsPerSecond),
        whole(gateway.callsPerSecond),
        (gateway.callsPerSecond / proxy.callsPerSecond).toFixed(2),
        `${cpu(gateway)} / ${cpu(proxy)}`,
        `${gateway.p50.toFixed(2)} / ${gateway.p99.toFixed(2)}`,
        `${proxy.p50.toFixed(2)} / ${proxy.p99.toFixed(2)}`,
        '',
      ]
        .join(' | ')
        .trim(),
    ),
  ].join('\n');
}

/** docs/performance.md. */
export function page(rows: readonly Row[], conditions: Conditions): string {
  const noisy = rows.some((row) =>
    [row.direct, row.proxy, row.gateway].some(({ otherCpu = 0 }) => otherCpu > NOISE),
  );
  return `# Performance

\`npm run bench\` measures \`tools/call\` with ${conditions.payloadBytes}-byte JSON answers three ways: directly against a
cheap downstream, through a bare \`node:http\` proxy (\`test/bench/proxy.ts\`), and through the gateway. It writes this page.
What counts is the gateway beside the bare proxy, in calls a second and in CPU time: that is the price of the gateway,
and depends on the machine far less than the numbers themselves.

${table(rows)}

- Median of ${conditions.rounds} rounds of ${conditions.seconds} s, each after a warm-up; one session and one call in flight a connection.
- ${capital(conditions.tools)}; ${conditions.pinning}.
- Node ${process.versions.node}, ${cpus().length} cores (${cpus()[0]?.model.trim() ?? 'unknown'}).
${noisy ? `- **Disturbed:** something else took more than ${NOISE} of a core while this was measured, three times over. Run it again on a quiet machine.\n` : ''}`;
}

function cpu({ cpuMs }: Sample): string {
  return cpuMs === undefined ? 'not measured' : cpuMs.toFixed(3);
}

function whole(number: number): string {
  return Math.round(number).toLocaleString('en-US');
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
