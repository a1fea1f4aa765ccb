import assert from 'node:assert/strict';
import { test } from 'node:test';
import { collectEnv, collectHeader, collectToolTimeout, splitCommand } from './server-options.ts';

test('a command line is split at spaces, and quotes keep words together', () => {
  const cases: [string, string, string[]][] = [
    ['npx -y pkg', 'npx', ['-y', 'pkg']],
    ['  npx   -y  ', 'npx', ['-y']],
    [`run "a b" 'c "d"' --x="e f"`, 'run', ['a b', 'c "d"', '--x=e f']],
    [`"C:\\Program Files\\node.exe" C:\\a\\b.js`, 'C:\\Program Files\\node.exe', ['C:\\a\\b.js']],
    [`run "it's"`, 'run', ["it's"]],
    [`run ''`, 'run', ['']],
  ];
  for (const [line, command, args] of cases) assert.deepEqual(splitCommand(line), { command, args }, line);
});

test('a command line without a program or with an open quote is refused', () => {
  for (const line of ['', '   ', `''`, 'run "a b', "run it's"]) {
    assert.throws(() => splitCommand(line), { exitCode: 2 }, line);
  }
});

test('headers and variables are collected, the first separator counts', () => {
  const headers = collectHeader('X-Url: http://a:1', collectHeader('Authorization:Bearer a=b'));
  assert.deepEqual({ ...headers }, { Authorization: 'Bearer a=b', 'X-Url': 'http://a:1' });
  const env = collectEnv('EMPTY=', collectEnv('A=b=c'));
  assert.deepEqual({ ...env }, { A: 'b=c', EMPTY: '' });
});

test('__proto__ is a name like any other', () => {
  assert.deepEqual(Object.keys(collectEnv('__proto__=x')), ['__proto__']);
});

test('headers and variables without a name or a separator are refused', () => {
  for (const text of ['', ':', ': value', 'name']) assert.throws(() => collectHeader(text), { exitCode: 2 });
  for (const text of ['', '=', '=value', 'name']) assert.throws(() => collectEnv(text), { exitCode: 2 });
});

test("tools' time limits are collected, the maximum apart", () => {
  const first = collectToolTimeout('a=b=:1h');
  const limits = collectToolTimeout('search=5m:1h', collectToolTimeout('quick=2s', first));
  assert.deepEqual(
    { ...limits },
    {
      'a=b': { totalMs: 3_600_000 },
      quick: { idleMs: 2000 },
      search: { idleMs: 300_000, totalMs: 3_600_000 },
    },
  );
  for (const text of [
    '',
    'search',
    '=5m',
    'search=',
    'search=5',
    'search=5m:',
    'search=5m:1h:2h',
    'search=:',
  ]) {
    assert.throws(() => collectToolTimeout(text), { exitCode: 2, message: /^--tool-timeout: / }, text);
  }
});

test('an error does not repeat what may be a secret', () => {
  assert.throws(
    () => collectHeader('Bearer s3cret'),
    (error: Error) => !error.message.includes('s3cret'),
  );
});
