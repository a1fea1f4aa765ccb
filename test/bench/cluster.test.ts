import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const RUN = fileURLToPath(new URL('./run.ts', import.meta.url));

/** What it measures is rough, and of no interest here. */
test('the bench of clusters measures everything that it is for', { timeout: 170_000 }, async () => {
  const options = ['cluster', '--quick', '--nodes', '2,3', '--gateways', '2'];
  // Compiling what answers would take longer than calling it.
  const env = { ...process.env, DRAGON_LOADTEST_DIR: '/nowhere' };
  const { stdout } = await promisify(execFile)(process.execPath, [RUN, ...options], { env });
  const [forwarding, calls, bounds, ...more] = tablesOf(stdout);
  assert.deepEqual(more, []);
  assert.deepEqual(
    forwarding!.map(([size]) => size),
    ['2', '3'],
  );
  assert.deepEqual(
    calls!.map((cells) => cells.slice(0, 2)),
    [
      ['1', 'to it'],
      ['2', 'to one node'],
      ['2', 'to each in turn'],
    ],
  );
  // CPU time, that of Redis, and latency, of a message and of an event; and CPU time of a call at each load.
  assert.equal(bounds!.length, 2 * 3 + 2);
  const figures = [
    ...forwarding!.flatMap((cells) => cells.slice(1)),
    ...calls!.flatMap((cells) => cells.slice(2)),
    ...bounds!.flatMap(([, measured, limit]) => [measured!, limit!]),
  ];
  for (const figure of figures)
    assert.match(figure, /^-?[\d,.]+( ([/+] -?[\d,.]+|\(-?[\d,.]+–-?[\d,.]+\)))?$/);
});

test('a bench that is not there is named, and so are those that are', async () => {
  const failure = await promisify(execFile)(process.execPath, [RUN, 'clutser']).catch((error) => error);
  assert.equal(failure.code, 2);
  assert.match(failure.stderr, /Unknown bench: clutser. Benches: calls, cluster./);
});

test('an option that makes no sense is named', async () => {
  const failure = await promisify(execFile)(process.execPath, [RUN, 'cluster', '--nodes', '1']).catch(
    (error) => error,
  );
  assert.equal(failure.code, 2);
  assert.match(failure.stderr, /--nodes: expected/);
});

/** The rows of each Markdown table, without their heads, as cells. */
function tablesOf(text: string): string[][][] {
  return text
    .split('\n\n')
    .map((block) => block.split('\n').filter((line) => line.startsWith('|')))
    .filter((lines) => lines.length > 0)
    .map((lines) =>
      lines.slice(2).map((line) =>
        line
          .split('|')
          .slice(1, -1)
          .map((cell) => cell.trim()),
      ),
    );
}
