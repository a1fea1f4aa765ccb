/**
 * `npm run bench -- cluster`: what a message between nodes costs in clusters of several sizes, and a call where the
 * requests of a session go to one node or to all in turn. Prints the tables and whether the bounds held; fails only
 * where something could not be measured. Options: `--quick` (seconds, and rough), `--rounds N`, `--nodes N,N,…` (of the
 * simulated clusters), `--gateways N`, `--write` (docs/performance-cluster.md).
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { findDownstream } from '../tools.ts';
import { callsBounds, forwardingBounds } from './bounds.ts';
import { measureCalls } from './calls.ts';
import { measureForwarding } from './forwarding.ts';
import { notes, page, tables } from './report.ts';

/** Messages and events a second: some of a core. */
const RATE = 500;
/** Calls a second at the steady load: some of a core. */
const CALL_RATE = 1500;
const SESSIONS = 48;
const PAYLOAD_BYTES = 100;

const { values } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    nodes: { type: 'string', default: '2,20,200' },
    gateways: { type: 'string', default: '3' },
    write: { type: 'boolean', default: false },
  },
});
const sizes = values.nodes.split(',').map(Number);
const gateways = Number(values.gateways);
const rounds = Number(values.rounds ?? (values.quick ? 1 : 5));
const wrong = (what: string, expected: string) => {
  console.error(`${what}: expected ${expected}.`);
  process.exit(2);
};
if (!sizes.every((size) => Number.isInteger(size) && size >= 2 && size <= 1000)) {
  wrong('--nodes', 'numbers from 2 to 1000, with commas between them');
}
if (!(Number.isInteger(gateways) && gateways >= 1 && gateways <= 9))
  wrong('--gateways', 'a number from 1 to 9');
if (!(Number.isInteger(rounds) && rounds >= 1)) wrong('--rounds', 'a number from 1');

if (values.quick && values.write) wrong('--write', 'a run without --quick');

/** Beyond those that count, where something disturbs the machine; so the whole stays below five minutes. */
const extraRounds = values.quick ? 0 : 2;
const warmUpCalls = values.quick ? 100 : 10_000;

/** How long a turn is, and how many of them each line of a table has in a round. */
const turnMs = values.quick ? 250 : 500;
const turns = { forwarding: values.quick ? 1 : 4, calls: values.quick ? 1 : 3 };

const folder = await mkdtemp(join(tmpdir(), 'dragon-bench-'));
try {
  const { description, downstream } = await findDownstream(folder);
  console.log(`simulated clusters of ${sizes.join(', ')} nodes`);
  const common = { rounds, extraRounds, turnMs, log: (line: string) => console.log(line) };
  const forwarding = await measureForwarding({ ...common, sizes, turns: turns.forwarding, rate: RATE });
  console.log(`${gateways} gateways`);
  const calls = await measureCalls({
    ...{ ...common, downstream, nodes: gateways, turns: turns.calls, warmUpCalls },
    ...{ sessions: SESSIONS, payloadBytes: PAYLOAD_BYTES, rate: CALL_RATE },
  });
  const results = {
    forwarding,
    calls,
    bounds: [...forwardingBounds(forwarding), ...callsBounds(calls)],
    conditions: {
      rounds,
      rate: RATE,
      callRate: CALL_RATE,
      sessions: SESSIONS,
      payloadBytes: PAYLOAD_BYTES,
      secondsForwarding: (turns.forwarding * turnMs) / 1000,
      secondsCalls: (turns.calls * turnMs) / 1000,
      downstream: description,
    },
  };
  console.log(`\n${tables(results)}\n\n${notes(results)}`);
  if (values.write) {
    await writeFile(new URL('../../../docs/performance-cluster.md', import.meta.url), page(results));
  }
} finally {
  await rm(folder, { recursive: true, force: true });
}
