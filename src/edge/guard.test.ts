import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createGuard, isLoopback } from './guard.ts';

test('loopback is told in all its spellings', () => {
  for (const name of [
    'localhost',
    'a.localhost',
    'localhost.',
    '127.0.0.1',
    '127.1.2.3',
    '[::1]',
    '[::ffff:7f00:1]',
  ]) {
    assert.ok(isLoopback(name), name);
  }
  for (const name of [
    'localhost.evil.com',
    '127.0.0.1.evil.com',
    '0.0.0.0',
    '[::]',
    '10.0.0.1',
    '[::ffff:a00:1]',
    '',
  ]) {
    assert.ok(!isLoopback(name), name);
  }
});

test('addresses written otherwise are read as browsers read them', () => {
  const guard = createGuard({ boundHost: '127.0.0.1', allowedHosts: [], allowedOrigins: [] });
  assert.equal(guard('2130706433:80', undefined), undefined);
  assert.equal(guard('0x7f.1', undefined), undefined);
  assert.equal(guard('167772161', undefined)?.status, 403);
});

test('hosts are checked when bound to loopback by any name', () => {
  for (const boundHost of ['127.0.0.1', 'localhost', '::1', '127.8.8.8']) {
    const guard = createGuard({ boundHost, allowedHosts: [], allowedOrigins: [] });
    assert.equal(guard('evil.com', undefined)?.status, 403, boundHost);
    assert.equal(guard('localhost:1', undefined), undefined);
  }
  for (const boundHost of ['0.0.0.0', '::', '10.1.2.3']) {
    const guard = createGuard({ boundHost, allowedHosts: [], allowedOrigins: [] });
    assert.equal(guard('dragon.svc', undefined), undefined, boundHost);
  }
});

test('an allowed host may be given with or without a port', () => {
  const guard = createGuard({
    boundHost: '127.0.0.1',
    allowedHosts: ['Dragon.Example.com', 'other.example.com:9000'],
    allowedOrigins: [],
  });
  assert.equal(guard('dragon.example.com', undefined), undefined);
  assert.equal(guard('DRAGON.example.com:1234', undefined), undefined);
  assert.equal(guard('other.example.com:9000', undefined), undefined);
  assert.equal(guard('other.example.com', undefined)?.status, 403);
  // Whoever names hosts has them checked on the network, too.
  const open = createGuard({
    boundHost: '0.0.0.0',
    allowedHosts: ['dragon.example.com'],
    allowedOrigins: [],
  });
  assert.equal(open('dragon.example.com', undefined), undefined);
  assert.equal(open('evil.com', undefined)?.status, 403);
});

test('an allowed origin is one with its scheme and port', () => {
  const guard = createGuard({
    boundHost: '0.0.0.0',
    allowedHosts: [],
    allowedOrigins: ['https://console.example.com'],
  });
  assert.equal(guard('x', 'https://console.example.com'), undefined);
  for (const origin of [
    'http://console.example.com',
    'https://console.example.com:444',
    'https://x',
    'null',
    '',
  ]) {
    assert.equal(guard('x', origin)?.status, 403, origin);
  }
});

test('a host that is none is malformed, not foreign', () => {
  const guard = createGuard({ boundHost: '0.0.0.0', allowedHosts: [], allowedOrigins: [] });
  for (const authority of [undefined, '', 'a b', 'a/b', 'user@a', 'a?b', 'a#b', '[', 'a:b', 'a\\b']) {
    assert.equal(guard(authority, undefined)?.status, 400, String(authority));
  }
});
