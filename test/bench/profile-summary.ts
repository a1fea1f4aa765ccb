import type { CpuProfile } from './inspector.ts';

/** What a part of a process took of its busy time. */
export interface Part {
  readonly name: string;
  /** From 0 to 1. */
  readonly share: number;
}

/** Functions of Node without a script, which write to a socket. */
const WRITES = /^(?:writev|writeBuffer|write(?:Utf8|Latin1|Ascii|Ucs2)String)$/;

const NODE_PARTS: readonly (readonly [RegExp, string])[] = [
  [/^node:(?:_http_|http$|internal\/http)/, 'node:http'],
  [/^node:(?:net$|internal\/net|internal\/stream_base_commons)/, 'node:net'],
  [/^node:(?:stream|_stream|internal\/streams)/, 'node:stream'],
  [/^node:(?:timers|internal\/timers)/, 'node:timers'],
  [/^node:internal\/process\/(?:task_queues|promises)/, 'promises and ticks'],
];

/** Shares of the busy time by module, the greatest first. Time in which nothing was to do is no part of it. */
export function summarise({ nodes, samples, timeDeltas }: CpuProfile): Part[] {
  const names = new Map(nodes.map(({ id, callFrame }) => [id, partOf(callFrame)]));
  const times = new Map<string, number>();
  let busy = 0;
  for (const [index, id] of samples.entries()) {
    const name = names.get(id);
    // What passes before a sample belongs to the one before it; over thousands of samples that makes no difference.
    const time = Math.max(0, timeDeltas[index] ?? 0);
    if (name === undefined) continue;
    busy += time;
    times.set(name, (times.get(name) ?? 0) + time);
  }
  return [...times]
    .map(([name, time]) => ({ name, share: busy === 0 ? 0 : time / busy }))
    .sort((a, b) => b.share - a.share || (a.name < b.name ? -1 : 1));
}

/** Undefined for what is no work. */
function partOf({ functionName, url }: CpuProfile['nodes'][number]['callFrame']): string | undefined {
  if (functionName === '(idle)' || functionName === '(root)') return undefined;
  if (functionName === '(garbage collector)') return 'garbage collection';
  if (functionName === '(program)') return 'native code';
  if (url === '') return WRITES.test(functionName) ? 'writes to sockets' : 'native functions';
  if (url.startsWith('node:')) return NODE_PARTS.find(([pattern]) => pattern.test(url))?.[1] ?? 'node: other';
  const inPackage = /.*\/node_modules\/((?:@[^/]+\/)?[^/]+)\//.exec(url)?.[1];
  return inPackage ?? /\/(src\/[^?]+)/.exec(url)?.[1] ?? 'other scripts';
}

/** As text; what took less than half a percent is put together. */
export function profileTable(parts: readonly Part[]): string {
  const large = parts.filter(({ share }) => share >= 0.005);
  const rest = parts.slice(large.length).reduce((sum, { share }) => sum + share, 0);
  const rows = rest > 0 ? [...large, { name: 'the rest', share: rest }] : large;
  const width = Math.max(...rows.map(({ name }) => name.length), 0);
  return rows
    .map(({ name, share }) => `${name.padEnd(width)}  ${(share * 100).toFixed(1).padStart(5)} %`)
    .join('\n');
}
