import assert from 'node:assert/strict';
import { describe, it, test } from 'node:test';
import { classifyInboundRequest } from '@modelcontextprotocol/server';
import { type Message, parseBody } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { isModernHeader, openPost } from './era.ts';
import { MetaKey } from './keys.ts';
import { modernError } from './wire-error.ts';

const V = '2026-07-28';
const header = { 'mcp-protocol-version': V };

function envelope(version: unknown = V, more: object = {}) {
  return { _meta: { [MetaKey.ProtocolVersion]: version, [MetaKey.ClientCapabilities]: {}, ...more } };
}

function body(value: object): Message | Message[] {
  return parseBody(JSON.stringify(value), 64);
}

const rpc = (method: string, params?: object) => ({ jsonrpc: '2.0', id: 1, method, params });

function thrown(headers: Record<string, string>, value: object): GatewayError {
  try {
    openPost(headers, body(value));
  } catch (error) {
    assert.ok(error instanceof GatewayError);
    return error;
  }
  return assert.fail('nothing was thrown');
}

describe('a modern request', () => {
  const headers = { ...header, 'mcp-method': 'tools/list' };

  it('is one by the version in its body', () => {
    const opening = openPost(headers, body(rpc('tools/list', envelope())));
    assert.ok(opening.era === 'modern' && opening.kind === 'request');
    assert.equal(opening.version, V);
    assert.equal(opening.message.method, 'tools/list');
    assert.deepEqual(opening.meta.clientCapabilities, {});
  });

  it('is one whatever session it claims to be of', () => {
    const opening = openPost(
      { ...headers, 'mcp-session-id': 's', 'last-event-id': '1' },
      body(rpc('tools/list', envelope())),
    );
    assert.equal(opening.era, 'modern');
  });

  it('is one even where it says initialize, which this era does not know', () => {
    assert.equal(
      openPost({ ...header, 'mcp-method': 'initialize' }, body(rpc('initialize', envelope()))).era,
      'modern',
    );
  });

  const refusals: Readonly<Record<string, readonly [Record<string, string>, object, Code, RegExp]>> = {
    'without metadata': [headers, rpc('tools/list', {}), Code.InvalidParams, /"_meta"/],
    'without params': [headers, rpc('tools/list'), Code.InvalidParams, /"_meta"/],
    'without a version in its metadata': [
      headers,
      rpc('tools/list', { _meta: { [MetaKey.ClientCapabilities]: {} } }),
      Code.InvalidParams,
      /protocolVersion/,
    ],
    'without capabilities': [
      headers,
      rpc('tools/list', { _meta: { [MetaKey.ProtocolVersion]: V } }),
      Code.InvalidParams,
      /clientCapabilities/,
    ],
    'with a version that is no text': [
      headers,
      rpc('tools/list', envelope(7)),
      Code.InvalidParams,
      /protocolVersion/,
    ],
    'with metadata that is no object': [
      headers,
      rpc('tools/list', { _meta: 'x' }),
      Code.InvalidParams,
      /_meta/,
    ],
    'with another version in its header': [
      headers,
      rpc('tools/list', envelope('v999.0.0')),
      Code.HeaderMismatch,
      /MCP-Protocol-Version/,
    ],
    'with a legacy version in its header': [
      { ...headers, 'mcp-protocol-version': '2025-11-25' },
      rpc('tools/list', envelope()),
      Code.HeaderMismatch,
      /MCP-Protocol-Version/,
    ],
    'without a version in its header': [
      { 'mcp-method': 'tools/list' },
      rpc('tools/list', envelope()),
      Code.HeaderMismatch,
      /missing/,
    ],
    'without its method in a header': [
      header,
      rpc('tools/list', envelope()),
      Code.HeaderMismatch,
      /Mcp-Method/,
    ],
    'with another method in its header': [
      { ...header, 'mcp-method': 'prompts/list' },
      rpc('tools/list', envelope()),
      Code.HeaderMismatch,
      /Mcp-Method/,
    ],
    'without its name in a header': [
      { ...header, 'mcp-method': 'tools/call' },
      rpc('tools/call', { ...envelope(), name: 'x' }),
      Code.HeaderMismatch,
      /Mcp-Name/,
    ],
    'in a version that is not spoken here': [
      { ...headers, 'mcp-protocol-version': 'v999.0.0' },
      rpc('tools/list', envelope('v999.0.0')),
      Code.UnsupportedVersion,
      /Unsupported/,
    ],
    'in a version that needs a handshake': [
      headers,
      rpc('tools/list', envelope('2025-11-25')),
      Code.HeaderMismatch,
      /Version/,
    ],
    'in a version that needs a handshake, and says so twice': [
      { ...headers, 'mcp-protocol-version': '2025-11-25' },
      rpc('tools/list', envelope('2025-11-25')),
      Code.UnsupportedVersion,
      /Unsupported/,
    ],
    'that names a later version in its header only': [
      { ...headers, 'mcp-protocol-version': '2030-01-01' },
      rpc('tools/list', {}),
      Code.UnsupportedVersion,
      /Unsupported/,
    ],
    'in a batch': [headers, [rpc('tools/list', envelope())], Code.InvalidRequest, /batches/],
    'in a batch, by its header': [headers, [rpc('tools/list')], Code.InvalidRequest, /batches/],
  };
  for (const [what, [given, value, code, pattern]] of Object.entries(refusals)) {
    it(`is refused ${what}`, () => {
      const error = thrown(given, value);
      assert.equal(error.code, code, error.message);
      assert.match(error.message, pattern);
      assert.equal(modernError(error).status, 400);
    });
  }

  it('in an unknown version is told which are known, and which it asked for', () => {
    const error = thrown(
      { 'mcp-protocol-version': 'v999.0.0' },
      rpc('server/discover', envelope('v999.0.0')),
    );
    assert.deepEqual(error.data, { supported: [V], requested: 'v999.0.0' });
    const long = thrown({}, rpc('server/discover', envelope('x'.repeat(10_000))));
    assert.ok(JSON.stringify(long.data).length < 200);
  });
});

describe('a legacy request', () => {
  const legacy: Readonly<Record<string, readonly [Record<string, string>, object]>> = {
    'without headers': [{}, rpc('tools/list')],
    'with a legacy version': [
      { 'mcp-protocol-version': '2025-06-18', 'mcp-session-id': 's' },
      rpc('tools/list', {}),
    ],
    'with a version that nobody knows': [
      { 'mcp-protocol-version': 'banana', 'mcp-session-id': 's' },
      rpc('tools/list', {}),
    ],
    'that begins a session': [{}, rpc('initialize', { protocolVersion: '2025-11-25' })],
    'that begins a session under a modern header': [
      header,
      rpc('initialize', { protocolVersion: '2025-11-25' }),
    ],
    'that begins a session with a legacy version in its metadata': [
      {},
      rpc('initialize', envelope('2025-11-25')),
    ],
    'of a session, with a legacy version in its metadata': [
      { 'mcp-protocol-version': '2025-11-25', 'mcp-session-id': 's' },
      rpc('tools/list', envelope('2025-11-25')),
    ],
    'with other metadata of ours': [
      { 'mcp-session-id': 's' },
      rpc('tools/list', { _meta: { progressToken: 1, [MetaKey.LogLevel]: 'x' } }),
    ],
    'in a batch': [
      { 'mcp-session-id': 's' },
      [rpc('tools/list'), { jsonrpc: '2.0', method: 'notifications/x' }],
    ],
    'that is a response': [{ 'mcp-session-id': 's' }, { jsonrpc: '2.0', id: 1, result: {} }],
    'that is a notification': [
      { 'mcp-session-id': 's' },
      { jsonrpc: '2.0', method: 'notifications/initialized' },
    ],
    'that is a notification with a legacy version in its metadata': [
      { 'mcp-session-id': 's' },
      { jsonrpc: '2.0', method: 'notifications/x', params: envelope('2025-11-25') },
    ],
  };
  for (const [what, [headers, value]] of Object.entries(legacy)) {
    it(`is one ${what}`, () => {
      assert.deepEqual(openPost(headers, body(value)), { era: 'legacy' });
    });
  }
});

describe('a modern notification', () => {
  const cancelled = { jsonrpc: '2.0', method: 'notifications/cancelled', params: { requestId: 1 } };

  it('is one by its header or by its body', () => {
    for (const [headers, value] of [
      [header, cancelled],
      [header, { ...cancelled, params: envelope() }],
    ] as const) {
      const opening = openPost(headers, body(value));
      assert.ok(opening.era === 'modern' && opening.kind === 'notification');
    }
  });

  it('is refused in a version that is not spoken, or where header and body differ', () => {
    assert.equal(thrown({ 'mcp-protocol-version': '2030-01-01' }, cancelled).code, Code.UnsupportedVersion);
    assert.equal(thrown(header, { ...cancelled, params: envelope('2030-01-01') }).code, Code.HeaderMismatch);
  });

  it('is never a response', () => {
    assert.equal(thrown(header, { jsonrpc: '2.0', id: 1, result: {} }).code, Code.InvalidRequest);
  });
});

test('GET and DELETE are of the legacy era where their header does not say otherwise', () => {
  assert.ok(isModernHeader(header));
  assert.ok(isModernHeader({ 'mcp-protocol-version': ' 2030-01-01 ' }));
  for (const value of [undefined, '', '2025-11-25', 'banana']) {
    assert.ok(!isModernHeader({ 'mcp-protocol-version': value }));
  }
});

/** Where the gateway differs on purpose, and from what. Each is `method|header|metadata`. */
const DIFFERENCES: readonly (readonly [pattern: RegExp, ours: string])[] = [
  // `initialize` comes before a version is agreed on, and legacy clients have no other way in.
  [/^initialize\|(modern|later|nonsense)\|(none|empty)$/, 'legacy'],
  // One that claims this era, and wrongly, hears what is wrong; there it is taken for the handshake.
  [
    /^initialize\|(none|legacy|modern|later|nonsense)\|(no text|no capabilities|bad client|bad level)$/,
    '-32602',
  ],
  // A later version may say it otherwise than in `_meta`, so the client hears which versions there are.
  [/^tools\/list\|later\|(none|empty)$/, '-32022'],
  // Versions are dates; what is none gets the answer that it always got.
  [/^tools\/list\|nonsense\|(none|empty)$/, 'legacy'],
];

test('agrees with the official server on which requests are whose', () => {
  const headers: Readonly<Record<string, string | undefined>> = {
    none: undefined,
    legacy: '2025-11-25',
    modern: V,
    later: '2030-01-01',
    nonsense: 'v999.0.0',
  };
  const params: Readonly<Record<string, object | undefined>> = {
    none: undefined,
    empty: { _meta: {} },
    modern: envelope(),
    later: envelope('2030-01-01'),
    nonsense: envelope('v999.0.0'),
    'no text': envelope(7),
    'no capabilities': { _meta: { [MetaKey.ProtocolVersion]: V } },
    'bad client': envelope(V, { [MetaKey.ClientInfo]: { name: 'x' } }),
    'bad level': envelope(V, { [MetaKey.LogLevel]: 'loud' }),
  };
  for (const method of ['initialize', 'tools/list']) {
    for (const [h, version] of Object.entries(headers)) {
      for (const [p, each] of Object.entries(params)) {
        const name = `${method}|${h}|${p}`;
        const value = JSON.parse(JSON.stringify(rpc(method, each)));
        const known = DIFFERENCES.find(([pattern]) => pattern.test(name));
        assert.equal(ours(version, value), known === undefined ? theirs(version, value) : known[1], name);
      }
    }
  }
});

function ours(version: string | undefined, value: object): string {
  try {
    const method = { 'mcp-method': String((value as { method?: unknown }).method) };
    return openPost({ ...method, ...(version && { 'mcp-protocol-version': version }) }, body(value)).era;
  } catch (error) {
    return String(modernError(GatewayError.from(error)).rpcCode);
  }
}

function theirs(version: string | undefined, value: { method?: string }): string {
  const outcome = classifyInboundRequest({
    httpMethod: 'POST',
    ...(version && { protocolVersionHeader: version }),
    body: value,
  });
  if (outcome.kind === 'reject') return String(outcome.code);
  if (outcome.kind === 'legacy') return 'legacy';
  // What their endpoint goes on to check: the version is one it serves, and the header is there.
  if (outcome.classification.revision !== V) return '-32022';
  return version === undefined ? '-32020' : 'modern';
}
