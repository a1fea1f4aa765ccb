/**
 * Loaded into a gateway before anything of its own: on SIGUSR2 it counts what lives in the process and prints it as a
 * line of JSON. Everything that lives has a constructor, so whatever leaks shows: timers, sockets, listeners (as
 * closures), promises, entries of maps.
 */
import { getHeapSnapshot } from 'node:v8';

interface Snapshot {
  readonly snapshot: {
    readonly meta: { readonly node_fields: readonly string[]; readonly node_types: readonly [string[]] };
  };
  readonly nodes: readonly number[];
  readonly strings: readonly string[];
}

/** Living objects by the name of their constructor; functions, which have one in common, as `(closure)`. */
async function countObjects(): Promise<Record<string, number>> {
  const chunks: string[] = [];
  for await (const chunk of getHeapSnapshot().setEncoding('utf8')) chunks.push(String(chunk));
  const { snapshot, nodes, strings }: Snapshot = JSON.parse(chunks.join(''));
  const { node_fields: fields, node_types: types } = snapshot.meta;
  const [typeAt, nameAt] = [fields.indexOf('type'), fields.indexOf('name')];
  const counts: Record<string, number> = Object.create(null);
  for (let at = 0; at < nodes.length; at += fields.length) {
    const type = types[0][nodes[at + typeAt]!];
    if (type !== 'object' && type !== 'closure') continue;
    const name = type === 'closure' ? '(closure)' : strings[nodes[at + nameAt]!]!;
    counts[name] = (counts[name] ?? 0) + 1;
  }
  return counts;
}

async function observe(): Promise<void> {
  globalThis.gc?.();
  const { heapUsed } = process.memoryUsage();
  const resources = process.getActiveResourcesInfo().length;
  const census = { msg: 'census', heapUsed, resources, objects: await countObjects() };
  process.stdout.write(`${JSON.stringify(census)}\n`);
}

process.on('SIGUSR2', () => void observe());
