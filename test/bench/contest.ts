import type { Gateway } from '../support/gateway.ts';
import { output, type Tools } from './tools.ts';

/** A line of the load generator's, as far as contests use it. */
export interface Sample {
  readonly rps: number;
  readonly p50: number;
  readonly p99: number;
  readonly errors: number;
  /** CPU milliseconds for a call, which are seconds for a thousand. */
  readonly gwCpuPer1k?: number;
  readonly dsCpuShare?: number;
  readonly lgCpuShare?: number;
  readonly otherCpuShare?: number;
}

/** A gateway that is put under the same load as others, in turn. */
export interface Contestant {
  readonly name: string;
  readonly gateway: Gateway;
  readonly samples: Sample[];
}

export interface ContestLoad {
  readonly tools: Tools;
  /** Put before the command line of the load generator. */
  readonly prefix?: readonly string[];
  readonly connections: string;
  readonly payload: string;
  readonly warmupSeconds: number;
  /** All processes of the gateway. */
  readonly gatewayPids: readonly (number | undefined)[];
  readonly downstreamPid: number | undefined;
  /** A header that each request has; for the load generator in C. */
  readonly header?: string;
}

/** Calls of the tool `bench__echo` for so many seconds. */
export async function load(
  { mcpUrl }: Pick<Gateway, 'mcpUrl'>,
  seconds: number,
  how: ContestLoad,
): Promise<Sample> {
  const { tools, prefix = [], header } = how;
  const options = {
    url: mcpUrl,
    ...(tools.isInC && { mode: 'call' }),
    ...(header !== undefined && { header }),
    sessions: how.connections,
    payload: how.payload,
    duration: seconds,
    warmup: how.warmupSeconds,
    tool: 'bench__echo',
    'gw-pids': how.gatewayPids.join(','),
    'ds-pids': how.downstreamPid,
  };
  const args = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  return JSON.parse(await output([...prefix, ...tools.load, ...args]));
}

/** CPU microseconds of the gateway for a call. */
export function cpuOf({ gwCpuPer1k = Number.NaN }: Sample): number {
  return gwCpuPer1k * 1000;
}

export function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}
