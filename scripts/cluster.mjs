// `npm run cluster`: installs what is missing, then runs three gateways, what they need, and a balancer.
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { begin } from './setup.mjs';

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));

await begin(self, root, () => import('../test/cluster/run.ts'));
