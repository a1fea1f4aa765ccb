// `npm run cluster`: installs what is missing, then runs three gateways, what they need, and a balancer.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import {
  canRunSource,
  ensureInstalled,
  pinnedEnvironment,
  pinnedNode,
  runForeground,
  SetupError,
} from './setup.mjs';

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));

try {
  ensureInstalled(root);
  if (canRunSource()) await import('../test/cluster/run.ts');
  else runForeground(pinnedNode(root), [self, ...process.argv.slice(2)], { env: pinnedEnvironment(root) });
} catch (error) {
  if (!(error instanceof SetupError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exitCode = 1;
}
