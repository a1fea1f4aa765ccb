import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { attackPort } from './ports.ts';

const COUNT = 10_000;
const SEED = 20_261_128;

describe('requests that are wrong end in an error, and nothing else', { timeout: 170_000 }, () => {
  for (const port of ['mcp', 'management'] as const) {
    it(`of the ${port} port`, async () => {
      const tally = await attackPort({ port, count: COUNT, seed: SEED });
      // Neither is everything refused at the door, nor is nothing wrong.
      for (const kind of ['200', '400']) assert.ok((tally[kind] ?? 0) > COUNT / 50, JSON.stringify(tally));
    });
  }
});
