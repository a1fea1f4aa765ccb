/** `npm run bench [-- WHAT] [-- options]`: without a name, calls through one gateway. Options are those of each bench. */

const BENCHES = {
  calls: () => import('./calls.ts'),
  cluster: () => import('./cluster/run.ts'),
};

// Whoever is stopped stops what it has started.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1));

const [, , first = ''] = process.argv;
const name = first === '' || first.startsWith('-') ? 'calls' : first;
if (Object.hasOwn(BENCHES, name)) {
  if (name === first) process.argv.splice(2, 1);
  await BENCHES[name as keyof typeof BENCHES]();
} else {
  console.error(`Unknown bench: ${name}. Benches: ${Object.keys(BENCHES).join(', ')}.`);
  process.exitCode = 2;
}
