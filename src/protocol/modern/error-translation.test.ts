import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { errorText } from '../envelope.ts';
import { errorForLegacy, errorForModern } from './error-translation.ts';

const parsed = (text: string) => JSON.parse(text).error;

describe('an error for a modern client', () => {
  it('that says what was not found keeps everything but the code of older versions', () => {
    const text =
      '{"jsonrpc":"2.0","id":9007199254740991,"error":{"message":"gone","code" : -32002,"data":{"uri":"a:b","n":1.0}}}';
    assert.deepEqual(errorForModern(text, {}), { text: text.replace('-32002', '-32602'), status: 200 });
  });

  it('passes as it is where its code is none of the era', () => {
    for (const code of [-32700, -32600, -32602, -32603, -32000, -32019, -32100, -1, 42]) {
      const text = errorText(1, code, 'm', { a: 1 });
      assert.deepEqual(errorForModern(text, {}), { text, status: 200 });
    }
    const text = errorText(1, -32601, 'm');
    assert.deepEqual(errorForModern(text, {}), { text, status: 404 });
  });

  it('about headers, versions and what nobody defined is internal', () => {
    for (const code of [-32020, -32022, -32023, -32042, -32050, -32099]) {
      const { text, status } = errorForModern(errorText('x', code, 'm', { supported: [] }), {});
      assert.deepEqual(JSON.parse(text), {
        jsonrpc: '2.0',
        id: 'x',
        error: { code: -32603, message: 'The server and the gateway do not agree: m' },
      });
      assert.equal(status, 200);
    }
  });

  it('about a missing capability says what the client has not declared, in our words', () => {
    const asked = {
      requiredCapabilities: { sampling: { tools: {} }, elicitation: { form: {} }, roots: {} },
      more: 'x',
    };
    const { text, status } = errorForModern(errorText(1, -32021, 'theirs', asked), {
      roots: {},
      elicitation: {},
    });
    assert.equal(status, 400);
    assert.deepEqual(parsed(text), {
      code: -32021,
      message: 'Missing required client capability: sampling.tools',
      data: { requiredCapabilities: { sampling: { tools: {} } } },
    });
  });

  it('about a capability that the client has declared, or none at all, is internal', () => {
    for (const data of [
      { requiredCapabilities: { roots: {} } },
      { requiredCapabilities: ['roots'] },
      undefined,
      'x',
    ]) {
      const { text, status } = errorForModern(errorText(1, -32021, 'm', data), { roots: {} });
      assert.equal(parsed(text).code, -32603);
      assert.equal(status, 200);
    }
  });

  it('that is none stays', () => {
    for (const text of [
      '{"jsonrpc":"2.0","id":1,"result":{}}',
      '{"id":1,"error":"x"}',
      '{"id":1,"error":{"code":"x"}}',
      '[]',
    ]) {
      assert.deepEqual(errorForModern(text, {}), { text, status: 200 });
    }
  });
});

describe('an error for a legacy client', () => {
  it('that says what was not found has the code of older versions', () => {
    const text = '{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"m","data":{"uri":"a:b"}}}';
    assert.equal(errorForLegacy(text, 'resources/read'), text.replace('-32602', '-32002'));
    assert.equal(errorForLegacy(text, 'tools/call'), text);
    for (const data of [undefined, { uri: 'a:b', why: 'x' }, { uri: 7 }, ['a:b']]) {
      const other = errorText(1, -32602, 'm', data);
      assert.equal(errorForLegacy(other, 'resources/read'), other);
    }
  });

  it('has none of the codes of the modern era', () => {
    assert.equal(parsed(errorForLegacy(errorText(1, -32020, 'm'), 'tools/call')).code, -32603);
    assert.equal(parsed(errorForLegacy(errorText(1, -32022, 'm'), 'tools/call')).code, -32603);
    const missing = parsed(
      errorForLegacy(errorText(1, -32021, 'm', { requiredCapabilities: { roots: {} } }), 'tools/call'),
    );
    assert.deepEqual(missing, { code: -32600, message: 'm', data: { requiredCapabilities: { roots: {} } } });
  });

  it('passes as it is otherwise', () => {
    for (const code of [-32601, -32603, -32000, -1]) {
      const text = errorText(1, code, 'm', { a: 1 });
      assert.equal(errorForLegacy(text, 'tools/call'), text);
    }
  });
});
