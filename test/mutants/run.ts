/**
 * `npm run mutants [-- --only PATTERN]`: takes checks out of a copy of the code, one at a time, and sees a test fail for each. See
 * SECURITY.md, "What shows it", and mutants.ts for what is taken out. Exit code 1, with their names, where nothing has failed.
 * `--only`: those whose promise, name, file or test has the pattern.
 */
import { parseArgs } from 'node:util';
import { Campaign, type Found } from './campaign.ts';
import { MUTANTS } from './mutants.ts';
import { table } from './table.ts';
import { Tree } from './tree.ts';
import { endTrials } from './trial.ts';
import { typeErrors } from './types.ts';

const { values } = parseArgs({ options: { only: { type: 'string', default: '' } } });
const pattern = new RegExp(values.only, 'i');
const wanted = MUTANTS.filter(({ promise, name, file, test }) =>
  [promise, name, file, test].some((text) => pattern.test(text)),
);
if (wanted.length === 0) {
  console.error(`No mutant has ${values.only}`);
  process.exit(2);
}

const tree = await Tree.copy();
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.once(signal, () => {
    endTrials();
    void tree.remove().finally(() => process.exit(1));
  });

try {
  process.exitCode = await run();
} finally {
  await tree.remove();
}

async function run(): Promise<number> {
  const errors = await typeErrors(tree, wanted);
  if (errors !== '') {
    console.error(`What is put in is not right in its types:\n${errors}`);
    return 1;
  }
  const campaign = new Campaign(tree, wanted);
  const found: Found[] = [];
  for (const mutant of wanted) {
    const one = await campaign.tryOut(mutant);
    found.push(one);
    console.log(`${one.isSeen ? '✔' : '✖'} ${mutant.name} (${one.seconds.toFixed(1)} s): ${one.what}`);
  }
  console.log(`\n${table(found)}`);
  const unseen = found.filter(({ isSeen }) => !isSeen);
  if (unseen.length === 0) return 0;
  console.error(`\n${unseen.length} of ${found.length} were not seen:`);
  for (const { mutant, what } of unseen) console.error(`${mutant.name} (${mutant.file}): ${what}`);
  return 1;
}
