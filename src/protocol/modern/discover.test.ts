import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { isSpecType } from '@modelcontextprotocol/server';
import { discoverResult, readDiscover, readDiscoverError } from './discover.ts';
import { MetaKey } from './keys.ts';
import { LATEST_MODERN } from './versions.ts';

const offer = {
  capabilities: { tools: { listChanged: true } },
  serverInfo: '{"name":"dragon","version":"1"}',
  instructions: 'Use it.',
  cache: { ttlMs: 60_000, cacheScope: 'private' as const },
};

describe('what the gateway says of itself', () => {
  it('is what the era asks for', () => {
    const result = JSON.parse(discoverResult(offer));
    assert.ok(isSpecType.DiscoverResult(result));
    assert.deepEqual(result, {
      resultType: 'complete',
      supportedVersions: [LATEST_MODERN],
      capabilities: { tools: { listChanged: true } },
      instructions: 'Use it.',
      ttlMs: 60_000,
      cacheScope: 'private',
      _meta: { [MetaKey.ServerInfo]: { name: 'dragon', version: '1' } },
    });
    assert.ok(!('instructions' in JSON.parse(discoverResult({ ...offer, instructions: undefined }))));
  });

  it('is read as a client would', () => {
    assert.deepEqual(readDiscover(JSON.parse(discoverResult(offer))), {
      era: 'modern',
      discovered: {
        version: LATEST_MODERN,
        capabilities: offer.capabilities,
        serverInfo: { name: 'dragon', version: '1' },
        instructions: 'Use it.',
        cache: offer.cache,
      },
    });
  });
});

describe("a server's first answer", () => {
  it('is read leniently where it is modern', () => {
    const probe = readDiscover({
      supportedVersions: ['2099-01-01', LATEST_MODERN],
      capabilities: {},
      _meta: 7,
      instructions: 7,
    });
    assert.deepEqual(probe, {
      era: 'modern',
      discovered: {
        version: LATEST_MODERN,
        capabilities: {},
        serverInfo: {},
        instructions: undefined,
        cache: { ttlMs: 0, cacheScope: 'private' },
      },
    });
  });

  it('that is no description is of a legacy server', () => {
    for (const result of [
      undefined,
      null,
      [],
      {},
      { supportedVersions: [] },
      { supportedVersions: LATEST_MODERN, capabilities: {} },
    ]) {
      assert.deepEqual(readDiscover(result), { era: 'legacy' });
    }
  });

  it('that lists older versions too can be gone back to; one that does not says what it speaks', () => {
    for (const supportedVersions of [[], ['2025-11-25'], ['2099-01-01', '2025-11-25']]) {
      assert.deepEqual(readDiscover({ supportedVersions, capabilities: {} }), { era: 'legacy' });
    }
    assert.deepEqual(readDiscover({ supportedVersions: ['2099-01-01'], capabilities: {} }), {
      era: 'modern',
      problem: 'it speaks only MCP 2099-01-01',
    });
  });

  const error = (code: number, data?: unknown) =>
    readDiscoverError({ code, message: 'm', data }, LATEST_MODERN);

  it('that is an error of any other kind is of a legacy server', () => {
    for (const code of [-32601, -32602, -32600, -32000, -32001, -32002, -32019, -32023, -32042, 0, 400]) {
      assert.deepEqual(error(code), { era: 'legacy' }, String(code));
    }
    for (const none of [undefined, 7, {}, { code: '-32022' }])
      assert.deepEqual(readDiscoverError(none, LATEST_MODERN), { era: 'legacy' });
  });

  it('that is an error of the modern era is of a modern server', () => {
    assert.deepEqual(error(-32020), { era: 'modern', problem: 'm' });
    assert.deepEqual(error(-32021), { era: 'modern', problem: 'm' });
    assert.deepEqual(error(-32022, { supported: ['2099-01-01'] }), {
      era: 'modern',
      problem: 'it speaks only MCP 2099-01-01',
    });
    assert.ok('problem' in error(-32022, { supported: [LATEST_MODERN] }));
    const older = readDiscoverError(
      { code: -32022, data: { supported: [LATEST_MODERN] } },
      '2099-01-01' as never,
    );
    assert.deepEqual(older, { era: 'modern', retryIn: LATEST_MODERN });
  });

  it('that refuses the version and knows only older ones, or names none, is of a legacy server', () => {
    for (const data of [
      undefined,
      {},
      { supported: [] },
      { supported: ['2025-11-25'] },
      { supported: 'all' },
    ]) {
      assert.deepEqual(error(-32022, data), { era: 'legacy' });
    }
  });
});
