import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const BUNDLE = process.env['GATEWAY_BUNDLE'];

/** What starts a gateway: `npm test` says where it has put all of it into a few files, which start in half the time. */
export const MAIN = BUNDLE ?? fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** What runs the `dragon` command: that of the same files, or as its users start it. */
export const COMMAND =
  BUNDLE === undefined
    ? fileURLToPath(new URL('../../bin/dragon.mjs', import.meta.url))
    : join(dirname(BUNDLE), 'cli', 'main.mjs');
