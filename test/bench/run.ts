/**
 * `npm run bench [-- WHAT] [-- options]`: the gateway beside others, see wide.ts, or one of the benches with a name of
 * their own. Options are those of each.
 */
import { parsePlan, SECTIONS, UsageError } from './options.ts';

const BENCHES = {
  cluster: () => import('./cluster/run.ts'),
  events: () => import('./events.ts'),
  observability: () => import('./observability.ts'),
  overload: () => import('./overload/run.ts'),
  workers: () => import('./workers.ts'),
};

// A run starts many processes, each of which ends with it.
process.setMaxListeners(0);

// Whoever is stopped stops what it has started.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

const [, , first = ''] = process.argv;
if (Object.hasOwn(BENCHES, first)) {
  process.argv.splice(2, 1);
  await BENCHES[first as keyof typeof BENCHES]();
} else {
  try {
    const plan = parsePlan(process.argv.slice(2));
    const { runWide } = await import('./wide.ts');
    process.exitCode = await runWide(plan);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    const benches = ['quick', ...SECTIONS, ...Object.keys(BENCHES)];
    console.error(`${error.message} Benches: ${benches.join(', ')}.`);
    process.exitCode = 2;
  }
}
