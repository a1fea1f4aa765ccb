import type { Tools } from './tools.ts';
import { output } from './tools.ts';

export interface Target {
  readonly name: string;
  readonly url: string;
  /** The process whose CPU time is counted; none for the downstream itself. */
  readonly pid?: number;
}

export interface Sample {
  readonly callsPerSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
  /** CPU milliseconds of the target for one call, where the tools measure it. */
  readonly cpuMs?: number;
  /** Share of a core that anything else on the machine took, where the tools measure it. */
  readonly otherCpu?: number;
}

interface Load {
  readonly connections: number;
  readonly payloadBytes: number;
  readonly seconds: number;
  readonly warmupSeconds: number;
}

/** Above this share of a core, something else on the machine disturbed the measurement. */
export const NOISE = 0.1;

/** Tries at a quiet measurement before the quietest of them is taken. */
const TRIES = 3;

/** Puts one target under load, again while something else disturbs it. Throws when a single call fails. */
export async function measure(...what: Parameters<typeof measureOnce>): Promise<Sample> {
  let quietest = await measureOnce(...what);
  for (let tried = 1; tried < TRIES && (quietest.otherCpu ?? 0) > NOISE; tried++) {
    const sample = await measureOnce(...what);
    if ((sample.otherCpu ?? 0) < (quietest.otherCpu ?? 0)) quietest = sample;
  }
  return quietest;
}

async function measureOnce(
  tools: Tools,
  prefix: readonly string[],
  target: Target,
  downstreamPid: number,
  load: Load,
): Promise<Sample> {
  const inC = tools.load.includes('--mode');
  const command = [
    ...prefix,
    ...tools.load,
    ...['--url', target.url, '--tool', 'echo'],
    ...['--sessions', String(load.connections), '--payload', String(load.payloadBytes)],
    ...['--duration', String(load.seconds), '--warmup', String(load.warmupSeconds)],
    ...(inC ? ['--ds-pids', String(downstreamPid)] : []),
    ...(inC && target.pid !== undefined ? ['--gw-pids', String(target.pid)] : []),
  ];
  const line: LoadLine = JSON.parse(await output(command));
  if (line.errors > 0 || line.rps === 0) {
    throw new Error(`${target.name}: ${line.errors} calls failed, ${line.rps} a second: ${line.firstError}`);
  }
  return {
    callsPerSecond: line.rps,
    p50: line.p50,
    p99: line.p99,
    ...(target.pid !== undefined && line.gwCpuPer1k !== undefined && { cpuMs: line.gwCpuPer1k }),
    ...(line.otherCpuShare !== undefined && { otherCpu: line.otherCpuShare }),
  };
}

/** What the load generator prints; the last two only by the one in C. */
interface LoadLine {
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  readonly firstError: string;
  readonly gwCpuPer1k?: number;
  readonly otherCpuShare?: number;
}

/** The median of each number over rounds. */
export function median(samples: readonly Sample[]): Sample {
  const of = (pick: (sample: Sample) => number | undefined) => {
    const numbers = samples.map(pick).filter((number) => number !== undefined);
    return numbers.sort((a, b) => a - b)[Math.floor(numbers.length / 2)];
  };
  const cpuMs = of(({ cpuMs }) => cpuMs);
  const otherCpu = of(({ otherCpu }) => otherCpu);
  return {
    callsPerSecond: of(({ callsPerSecond }) => callsPerSecond) ?? 0,
    p50: of(({ p50 }) => p50) ?? 0,
    p99: of(({ p99 }) => p99) ?? 0,
    ...(cpuMs !== undefined && { cpuMs }),
    ...(otherCpu !== undefined && { otherCpu }),
  };
}
