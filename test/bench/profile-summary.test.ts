import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CpuProfile } from './inspector.ts';
import { profileTable, summarise } from './profile-summary.ts';

/** A profile of functions, each with the microseconds it took. */
function profileOf(
  frames: readonly (readonly [functionName: string, url: string, time: number])[],
): CpuProfile {
  return {
    nodes: frames.map(([functionName, url], id) => ({ id, callFrame: { functionName, url } })),
    samples: frames.map((_, id) => id),
    timeDeltas: frames.map(([, , time]) => time),
  };
}

test('time is added up by module, without what was idle', () => {
  const parts = summarise(
    profileOf([
      ['(idle)', '', 1000],
      ['(root)', '', 10],
      ['writev', '', 30],
      ['writeLatin1String', '', 10],
      ['(garbage collector)', '', 10],
      ['(program)', '', 5],
      ['parserOnHeadersComplete', 'node:_http_common', 5],
      ['onStreamRead', 'node:internal/stream_base_commons', 4],
      ['route', 'file:///somewhere/src/router/router.ts', 20],
      ['next', 'file:///somewhere/src/router/router.ts', 10],
      ['send', 'file:///somewhere/node_modules/@scope/name/dist/x.js', 6],
    ]),
  );
  assert.deepEqual(
    parts.map(({ name, share }) => [name, Math.round(share * 100)]),
    [
      ['writes to sockets', 40],
      ['src/router/router.ts', 30],
      ['garbage collection', 10],
      ['@scope/name', 6],
      ['native code', 5],
      ['node:http', 5],
      ['node:net', 4],
    ],
  );
});

test('a profile of nothing is an empty table', () => {
  assert.deepEqual(summarise(profileOf([['(idle)', '', 10]])), []);
  assert.equal(profileTable([]), '');
});

test('small parts are put together', () => {
  const text = profileTable([
    { name: 'a', share: 0.99 },
    { name: 'b', share: 0.004 },
    { name: 'c', share: 0.004 },
  ]);
  assert.equal(text, 'a          99.0 %\nthe rest    0.8 %');
});
