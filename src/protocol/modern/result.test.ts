import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import fc from 'fast-check';
import { jsonObject, jsonValue } from '../../../test/support/json-text.ts';
import { resultText } from '../envelope.ts';
import { locate } from '../json-text.ts';
import { MetaKey } from './keys.ts';
import {
  type CachePolicy,
  cacheHintOf,
  mergeHints,
  NOT_CACHED,
  RESULT_COMPLETE,
  resultStart,
  resultTypeOf,
  stampResponse,
  stampResult,
} from './result.ts';

const serverInfo = '{"name":"dragon","version":"1"}';
const info = { name: 'dragon', version: '1' };
const cache: CachePolicy = { fallback: { ttlMs: 500, cacheScope: 'public' }, isPrivate: false };

const stamped = (result: object | string, policy?: CachePolicy) => {
  const text = stampResult(typeof result === 'string' ? result : JSON.stringify(result), {
    serverInfo,
    ...(policy === undefined ? {} : { cache: policy }),
  });
  return text === undefined ? undefined : JSON.parse(text);
};

describe('a result', () => {
  it('gets its type and the name of the server', () => {
    assert.deepEqual(stamped({ content: [] }), {
      resultType: 'complete',
      _meta: { [MetaKey.ServerInfo]: info },
      content: [],
    });
    assert.deepEqual(stamped({}), { resultType: 'complete', _meta: { [MetaKey.ServerInfo]: info } });
  });

  it('keeps what it says of itself', () => {
    const own = {
      resultType: 'task',
      _meta: { [MetaKey.ServerInfo]: { name: 'own', version: '2' }, a: 1 },
      taskId: 't',
    };
    const text = JSON.stringify(own);
    assert.equal(stampResult(text, { serverInfo }), text);
    assert.deepEqual(stamped({ _meta: { a: 1 } }), {
      resultType: 'complete',
      _meta: { [MetaKey.ServerInfo]: info, a: 1 },
    });
    assert.deepEqual(stamped({ _meta: 'no object' }), { resultType: 'complete', _meta: 'no object' });
  });

  it('gets cache hints where it is complete and has none of use', () => {
    const both = { ttlMs: 500, cacheScope: 'public' };
    const hint = (result: object, policy = cache) => {
      const { ttlMs, cacheScope } = stamped(result, policy);
      return { ttlMs, cacheScope };
    };
    assert.deepEqual(hint({}), both);
    assert.deepEqual(hint({ resultType: 'complete' }), both);
    assert.deepEqual(hint({ ttlMs: 7, cacheScope: 'private' }), { ttlMs: 7, cacheScope: 'private' });
    assert.deepEqual(hint({ ttlMs: 0 }), { ttlMs: 0, cacheScope: 'public' });
    assert.deepEqual(hint({ ttlMs: -1, cacheScope: 'shared' }), both);
    assert.deepEqual(hint({ ttlMs: 1.5, cacheScope: null }), both);
    assert.deepEqual(hint({ ttlMs: '7' }), both);
    const none = { ttlMs: undefined, cacheScope: undefined };
    assert.deepEqual(hint({ resultType: 'input_required' }), none);
  });

  it('is private where nobody else is served by the same server', () => {
    const policy = { ...cache, isPrivate: true };
    assert.equal(stamped({ cacheScope: 'public' }, policy).cacheScope, 'private');
    assert.equal(stamped({}, policy).cacheScope, 'private');
    const own = JSON.stringify({
      resultType: 'complete',
      ttlMs: 1,
      cacheScope: 'private',
      _meta: { [MetaKey.ServerInfo]: info },
    });
    assert.equal(stampResult(own, { serverInfo, cache: policy }), own);
  });

  it('is not touched where it cannot be read in one way', () => {
    for (const bad of [
      '[]',
      'null',
      '"x"',
      '{"a":1,"a":2}',
      '{"resultType":"complete","resultType":"task"}',
    ]) {
      assert.equal(stampResult(bad, { serverInfo }), undefined, bad);
    }
  });

  it('keeps every other byte', () => {
    fc.assert(
      fc.property(jsonObject, jsonValue, (text, meta) => {
        for (const result of [text, `{"_meta":{"x":${meta}},"y":${text}}`]) {
          const after = stampResult(result, { serverInfo, cache });
          assert.ok(after !== undefined);
          assert.equal(JSON.parse(after).resultType, 'complete');
          for (const [key, value] of Object.entries(JSON.parse(result))) {
            if (key === '_meta') continue;
            assert.deepEqual(Object.getOwnPropertyDescriptor(JSON.parse(after), key)?.value, value);
            const was = locate(result, [key]);
            const is = locate(after, [key]);
            assert.ok(was && is);
            assert.equal(after.slice(is.start, is.end), result.slice(was.start, was.end));
          }
        }
        const moved = locate(stampResult(`{"_meta":{"x":${meta}}}`, { serverInfo })!, ['_meta', 'x']);
        assert.ok(moved);
      }),
    );
  });
});

describe('a response', () => {
  it('is stamped in its result, and its id stays as it was written', () => {
    const text = '{"jsonrpc":"2.0","id":1.0,"result":{"n":12345678901234567890}}';
    assert.equal(
      stampResponse(text, { serverInfo }),
      `{"jsonrpc":"2.0","id":1.0,"result":{"resultType":"complete","_meta":{"${MetaKey.ServerInfo}":${serverInfo}},"n":12345678901234567890}}`,
    );
  });

  it('that is an error stays, and what is neither is none', () => {
    const error = '{"jsonrpc":"2.0","id":1,"error":{"code":1,"message":"m"}}';
    assert.equal(stampResponse(error, { serverInfo }), error);
    for (const bad of ['{"jsonrpc":"2.0","id":1}', '[]', '{"result":{},"result":{}}', '{"result":7}']) {
      assert.equal(stampResponse(bad, { serverInfo }), undefined, bad);
    }
    const done = `{"result":{"resultType":"complete","_meta":{"${MetaKey.ServerInfo}":{}}}}`;
    assert.equal(stampResponse(done, { serverInfo }), done);
  });

  it('has the type that it says, or is complete', () => {
    assert.equal(resultTypeOf('{"result":{}}'), 'complete');
    assert.equal(
      resultTypeOf('{"result":{"a":{"resultType":"x"},"resultType":"input_required"}}'),
      'input_required',
    );
    for (const bad of ['{"result":{"resultType":7}}', '{"error":{}}'])
      assert.equal(resultTypeOf(bad), undefined);
  });
});

test('a large response is completed at its head', () => {
  const heads = [
    '{"jsonrpc":"2.0","id":1,"result":{',
    ' { "id" : "a\\"b" ,\n"jsonrpc":"2.0", "result" : { ',
    '{"result":{',
    '{"jsonrpc":"2.0","id":-7,"result":{',
  ];
  for (const head of heads) {
    const at = resultStart(`${head}"content":[`);
    assert.ok(at !== undefined);
    const whole = `${head}"content":[1]}}`;
    assert.deepEqual(JSON.parse(whole.slice(0, at) + RESULT_COMPLETE + whole.slice(at)).result, {
      resultType: 'complete',
      content: [1],
    });
  }
  for (const head of [
    '{"jsonrpc":"2.0","id":1,"error":{',
    '{"jsonrpc":"2.0","x":{"result":{',
    '{"jsonrpc":"2.0","id":1',
    '{"result":[',
    '',
  ]) {
    assert.equal(resultStart(head), undefined, head);
  }
});

describe('cache hints', () => {
  it('are read, and what is malformed in them holds for nothing', () => {
    assert.deepEqual(cacheHintOf({ ttlMs: 5, cacheScope: 'public' }), { ttlMs: 5, cacheScope: 'public' });
    for (const bad of [
      undefined,
      7,
      {},
      { ttlMs: -1 },
      { ttlMs: 0.5, cacheScope: 'PUBLIC' },
      { ttlMs: '5' },
    ]) {
      assert.deepEqual(cacheHintOf(bad), NOT_CACHED);
    }
  });

  it('of many are as narrow as the narrowest', () => {
    const hint = fc.record({
      ttlMs: fc.nat(),
      cacheScope: fc.constantFrom('public' as const, 'private' as const),
    });
    fc.assert(
      fc.property(fc.array(hint, { minLength: 1 }), (hints) => {
        const merged = mergeHints(hints);
        assert.equal(merged.ttlMs, Math.min(...hints.map(({ ttlMs }) => ttlMs)));
        assert.equal(
          merged.cacheScope === 'private',
          hints.some(({ cacheScope }) => cacheScope === 'private'),
        );
      }),
    );
    assert.deepEqual(mergeHints([]), NOT_CACHED);
  });
});

test('what a result of ours says can be read from the response to it', () => {
  const text = stampResponse(resultText('x', '{"tools":[]}'), { serverInfo, cache });
  assert.ok(text !== undefined);
  assert.deepEqual(cacheHintOf(JSON.parse(text).result), cache.fallback);
  assert.equal(resultTypeOf(text), 'complete');
});
