import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import fc from 'fast-check';
import { jsonValue } from '../../../test/support/json-text.ts';
import { type Params, parseMessage } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { MetaKey } from './keys.ts';
import { LOG_LEVELS, wantsLog } from './log-level.ts';
import { editMeta, envelopeEdits, metaOf, NO_ENVELOPE, readMeta } from './meta.ts';

const whole: Params = {
  [MetaKey.ProtocolVersion]: '2026-07-28',
  [MetaKey.ClientInfo]: { name: 'c', version: '1', title: 'C' },
  [MetaKey.ClientCapabilities]: { elicitation: {}, extensions: { 'x/y': {} } },
  [MetaKey.LogLevel]: 'warning',
  progressToken: 'p',
  'com.example/other': [1],
};

describe('the envelope of a request', () => {
  it('is read', () => {
    assert.deepEqual(readMeta(whole), {
      clientCapabilities: { elicitation: {}, extensions: { 'x/y': {} } },
      clientInfo: { name: 'c', version: '1', title: 'C' },
      logLevel: 'warning',
      progressToken: 'p',
    });
  });

  it('needs nothing but capabilities', () => {
    assert.deepEqual(readMeta({ [MetaKey.ClientCapabilities]: {} }), {
      clientCapabilities: {},
      clientInfo: undefined,
      logLevel: undefined,
      progressToken: undefined,
    });
  });

  const bad: Readonly<Record<string, readonly [object, RegExp]>> = {
    'no capabilities': [{ [MetaKey.ClientCapabilities]: undefined }, /clientCapabilities/],
    'capabilities that are a list': [{ [MetaKey.ClientCapabilities]: [] }, /clientCapabilities/],
    'capabilities that are null': [{ [MetaKey.ClientCapabilities]: null }, /clientCapabilities/],
    'a capability that is true': [{ [MetaKey.ClientCapabilities]: { elicitation: true } }, /elicitation/],
    'extensions that are a list': [{ [MetaKey.ClientCapabilities]: { extensions: [] } }, /extensions/],
    'a client without a version': [{ [MetaKey.ClientInfo]: { name: 'c' } }, /clientInfo/],
    'a client that is a name': [{ [MetaKey.ClientInfo]: 'c' }, /clientInfo/],
    'a level that is none': [{ [MetaKey.LogLevel]: 'loud' }, /logLevel.*debug, info/],
    'a token that is a fraction': [{ progressToken: 1.5 }, /progressToken/],
    'a token that is an object': [{ progressToken: {} }, /progressToken/],
  };
  for (const [what, [change, pattern]] of Object.entries(bad)) {
    it(`is refused with ${what}, by name`, () => {
      assert.throws(
        () => readMeta({ ...whole, ...change }),
        (error) =>
          error instanceof GatewayError && error.code === Code.InvalidParams && pattern.test(error.message),
      );
    });
  }

  it('is not taken from what objects inherit', () => {
    const inherits = Object.create({ [MetaKey.ClientCapabilities]: {} });
    assert.throws(() => readMeta(inherits), /clientCapabilities/);
  });
});

test('metadata is an object or not there', () => {
  assert.equal(metaOf(undefined), undefined);
  assert.equal(metaOf({}), undefined);
  assert.deepEqual(metaOf({ _meta: { a: 1 } }), { a: 1 });
  for (const _meta of [null, [], 'x', 7]) assert.throws(() => metaOf({ _meta }), /"_meta" must be an object/);
});

test('an envelope that is put in is read again, and taken out it leaves what was there', () => {
  const envelope = {
    protocolVersion: '2026-07-28',
    clientCapabilities: { sampling: {} },
    clientInfo: { name: 'g', version: '2' },
    logLevel: 'error' as const,
  };
  fc.assert(
    fc.property(jsonValue, jsonValue, (args, token) => {
      const text = `{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":${args},"_meta":{"progressToken":1,"k":${token}}}}`;
      const sent = editMeta(text, envelopeEdits(envelope));
      assert.ok(sent !== undefined);
      const message = parseMessage(sent, 1000);
      assert.ok(message.kind === 'request');
      const { protocolVersion: _, ...rest } = envelope;
      assert.deepEqual(readMeta(metaOf(message.params)!), { ...rest, progressToken: 1 });
      assert.equal(editMeta(sent, NO_ENVELOPE), text);
    }),
  );
});

test('what an envelope does not have is taken out of one that is there', () => {
  const text = JSON.stringify({ params: { _meta: whole } });
  const sent = editMeta(
    text,
    envelopeEdits({
      protocolVersion: 'v',
      clientCapabilities: {},
      clientInfo: undefined,
      logLevel: undefined,
    }),
  );
  assert.deepEqual(JSON.parse(sent!).params._meta, {
    [MetaKey.ProtocolVersion]: 'v',
    [MetaKey.ClientCapabilities]: {},
    progressToken: 'p',
    'com.example/other': [1],
  });
});

test('log messages go to who asked for their level or a lesser one', () => {
  for (const [asked, least] of LOG_LEVELS.entries()) {
    for (const [given, level] of LOG_LEVELS.entries())
      assert.equal(wantsLog(LOG_LEVELS[asked], level), given >= asked, least);
  }
  assert.equal(wantsLog(undefined, 'emergency'), false);
  for (const level of ['loud', undefined, 7, 'constructor']) assert.equal(wantsLog('debug', level), false);
});
