import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, GatewayError } from '../errors.ts';
import { missingCapability, missingOf, neededFor, requireCapabilities, TASKS } from './capabilities.ts';

test('each thing that a client can be asked needs its capability', () => {
  assert.deepEqual(neededFor('elicitation/create', { message: 'm' }), { elicitation: { form: {} } });
  assert.deepEqual(neededFor('elicitation/create', { mode: 'form' }), { elicitation: { form: {} } });
  assert.deepEqual(neededFor('elicitation/create', { mode: 'url' }), { elicitation: { url: {} } });
  assert.deepEqual(neededFor('sampling/createMessage', { messages: [] }), { sampling: {} });
  assert.deepEqual(neededFor('sampling/createMessage', { tools: [] }), { sampling: { tools: {} } });
  assert.deepEqual(neededFor('sampling/createMessage', { toolChoice: {} }), { sampling: { tools: {} } });
  assert.deepEqual(neededFor('roots/list', undefined), { roots: {} });
  for (const method of ['ping', 'tools/call', 'constructor', ''])
    assert.equal(neededFor(method, {}), undefined);
});

test('what is not declared is missing, and nothing else', () => {
  const rows: readonly (readonly [needed: object, declared: object, missing: object | undefined])[] = [
    [{ sampling: {} }, {}, { sampling: {} }],
    [{ sampling: {} }, { sampling: {} }, undefined],
    [{ sampling: { tools: {} } }, { sampling: {} }, { sampling: { tools: {} } }],
    [{ sampling: { tools: {} } }, { sampling: { tools: {} } }, undefined],
    [{ elicitation: { form: {} } }, { elicitation: {} }, undefined],
    [{ elicitation: { form: {} } }, { elicitation: { url: {} } }, { elicitation: { form: {} } }],
    [{ elicitation: { url: {} } }, { elicitation: {} }, { elicitation: { url: {} } }],
    [{ elicitation: { form: {}, url: {} } }, { elicitation: { form: {} } }, { elicitation: { url: {} } }],
    [{ roots: {}, sampling: {} }, { roots: {} }, { sampling: {} }],
    [{ extensions: { [TASKS]: {} } }, { extensions: { 'x/y': {} } }, { extensions: { [TASKS]: {} } }],
    [{ extensions: { [TASKS]: {} } }, { extensions: { [TASKS]: true } }, { extensions: { [TASKS]: {} } }],
    [{ roots: {} }, { roots: true }, { roots: {} }],
    [{ toString: {} }, {}, { toString: {} }],
    [JSON.parse('{"__proto__":{}}'), {}, JSON.parse('{"__proto__":{}}')],
    [{}, {}, undefined],
  ];
  for (const [needed, declared, missing] of rows) {
    assert.deepEqual(
      missingOf(needed as never, declared as never),
      missing,
      JSON.stringify([needed, declared]),
    );
  }
});

test('the error names what is missing, for people and for programs', () => {
  const error = missingCapability({ sampling: {}, elicitation: { url: {} } });
  assert.equal(error.code, Code.MissingCapability);
  assert.equal(error.message, 'Missing required client capability: sampling, elicitation.url');
  assert.deepEqual(error.data, { requiredCapabilities: { sampling: {}, elicitation: { url: {} } } });
  requireCapabilities({ roots: {} }, { roots: {} });
  assert.throws(
    () => requireCapabilities({ roots: {} }, {}),
    (thrown) => thrown instanceof GatewayError && thrown.code === Code.MissingCapability,
  );
});
