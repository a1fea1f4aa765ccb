import assert from 'node:assert/strict';
import { test } from 'node:test';
import { expandVariables, UnknownVariable } from './variables.ts';

const variables = { env: { TOKEN: 't', EMPTY: '' }, home: '/home/u' };

test('variables are replaced in all strings of a value', () => {
  const value = {
    url: 'http://x/${TOKEN}',
    args: ['${env:TOKEN}-${userHome}', '${NONE:-d}', '${EMPTY:-e}'],
    n: 1,
  };
  assert.deepEqual(expandVariables(value, variables), {
    url: 'http://x/t',
    args: ['t-/home/u', 'd', 'e'],
    n: 1,
  });
});

test('what is not a placeholder stays as it is', () => {
  for (const text of ['$TOKEN', '{TOKEN}', '${TOKEN', '$$'])
    assert.equal(expandVariables(text, variables), text);
});

test('a placeholder without a value is named', () => {
  for (const text of ['${NONE}', '${env:NONE}', '${input:key}', '${workspaceFolder}', '${}']) {
    assert.throws(
      () => expandVariables(text, variables),
      (error) => error instanceof UnknownVariable && error.message.includes(text),
      text,
    );
  }
});

test('what a variable holds is not expanded again', () => {
  const nested = { env: { A: '${B}', B: 'b' }, home: '/' };
  assert.equal(expandVariables('${A}', nested), '${B}');
});
