// `npm start`: installs what is missing, then runs the gateway. Where the running Node can, in this very process:
// one process less, and the start is faster.
import module from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { begin } from './setup.mjs';

const self = fileURLToPath(import.meta.url);
const root = dirname(dirname(self));

await begin(self, root, async () => {
  module.enableCompileCache?.(join(root, 'node_modules', '.cache', 'compile'));
  const { serve } = await import('../src/main.ts');
  await serve(process.env);
});
