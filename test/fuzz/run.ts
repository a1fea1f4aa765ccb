/**
 * `npm run fuzz [-- --port mcp|management --count 1000000 --seed 1]`: sends requests that are wrong to a gateway, and says what came
 * of them. Exit code 1, with the request, where one crashes it, hangs, or is answered by a fault. What `npm test` has of it is
 * fuzz.test.ts.
 */
import { parseArgs } from 'node:util';
import { attackPort, type Port } from './ports.ts';

const { values } = parseArgs({
  options: {
    port: { type: 'string' },
    count: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
  },
});
const count = Number(values.count);
const seed = Number(values.seed);
const ports: readonly Port[] = ['mcp', 'management'];
const wanted = ports.filter((port) => values.port === undefined || values.port === port);
if (!(count > 0) || !Number.isInteger(seed) || wanted.length === 0) {
  console.error('expected --port mcp or management, --count above 0 and --seed a whole number');
  process.exit(2);
}

for (const port of wanted) {
  console.log(`${port}: ${count} requests of seed ${seed}`);
  console.log(JSON.stringify(await attackPort({ port, count, seed })));
}
