import { fileURLToPath } from 'node:url';

/** What starts a gateway: `npm test` says where it has put all of it into a few files, which start in half the time. */
export const MAIN =
  process.env['GATEWAY_BUNDLE'] ?? fileURLToPath(new URL('../../src/main.ts', import.meta.url));
