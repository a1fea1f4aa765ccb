import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const RUN = fileURLToPath(new URL('./run.ts', import.meta.url));

test('a bench that is not there is named, and so are those that are', async () => {
  const failure = await promisify(execFile)(process.execPath, [RUN, 'clutser']).catch((error) => error);
  assert.equal(failure.code, 2);
  assert.match(failure.stderr, /Unknown bench: clutser\. Benches: quick, calls, .*, peers, cluster/);
});

test('an option that makes no sense is named', async () => {
  const failure = await promisify(execFile)(process.execPath, [RUN, 'cluster', '--nodes', '1']).catch(
    (error) => error,
  );
  assert.equal(failure.code, 2);
  assert.match(failure.stderr, /--nodes: expected/);
});
