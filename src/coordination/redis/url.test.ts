import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, GatewayError } from '../../protocol/errors.ts';
import { parseRedisUrl } from './url.ts';

const plain = {
  kind: 'single',
  addresses: [{ host: 'redis', port: 6379 }],
  username: undefined,
  password: undefined,
  db: 0,
  tls: undefined,
  master: '',
  sentinelUsername: undefined,
  sentinelPassword: undefined,
};

test('one server, with what can be left out', () => {
  assert.deepEqual(parseRedisUrl('redis://redis'), plain);
  assert.deepEqual(parseRedisUrl('redis://redis:6379/'), plain);
  assert.deepEqual(parseRedisUrl('redis://redis/3'), { ...plain, db: 3 });
  assert.deepEqual(parseRedisUrl('redis://redis?db=3'), { ...plain, db: 3 });
  assert.deepEqual(parseRedisUrl('redis://[::1]:7000').addresses, [{ host: '::1', port: 7000 }]);
});

test('credentials are decoded', () => {
  const of = (url: string) => {
    const { username, password } = parseRedisUrl(url);
    return [username, password];
  };
  assert.deepEqual(of('redis://ada:p%40ss%3A%2F@redis'), ['ada', 'p@ss:/']);
  assert.deepEqual(of('redis://:secret@redis'), [undefined, 'secret']);
  assert.deepEqual(of('redis://:with:colon@redis'), [undefined, 'with:colon']);
  assert.deepEqual(of('redis://@redis'), [undefined, undefined]);
});

test('sentinels and their master', () => {
  const target = parseRedisUrl(
    'redis+sentinel://:secret@one,two:26380/my%20main/2?sentinel_username=s&sentinel_password=p',
  );
  assert.deepEqual(target, {
    ...plain,
    kind: 'sentinel',
    addresses: [
      { host: 'one', port: 26_379 },
      { host: 'two', port: 26_380 },
    ],
    password: 'secret',
    master: 'my main',
    db: 2,
    sentinelUsername: 's',
    sentinelPassword: 'p',
  });
});

test('some nodes of a cluster', () => {
  assert.deepEqual(parseRedisUrl('redis+cluster://one:7000,10.0.0.2,[fe80::1]:7002'), {
    ...plain,
    kind: 'cluster',
    addresses: [
      { host: 'one', port: 7000 },
      { host: '10.0.0.2', port: 6379 },
      { host: 'fe80::1', port: 7002 },
    ],
  });
});

test('TLS', () => {
  const none = { ca: undefined, cert: undefined, key: undefined, serverName: undefined, verify: true };
  assert.deepEqual(parseRedisUrl('rediss://redis').tls, none);
  assert.deepEqual(parseRedisUrl('rediss+cluster://a,b').tls, none);
  assert.deepEqual(parseRedisUrl('rediss+sentinel://a/main?tls_verify=false').tls, {
    ...none,
    verify: false,
  });
  assert.deepEqual(
    parseRedisUrl('rediss://redis?tls_ca=/etc/ca.pem&tls_cert=c.pem&tls_key=k.pem&tls_servername=r.example')
      .tls,
    { ca: '/etc/ca.pem', cert: 'c.pem', key: 'k.pem', serverName: 'r.example', verify: true },
  );
});

test('what cannot be meant is refused, and no part of it is shown', () => {
  const wrong = [
    '',
    'sesame',
    'http://sesame',
    'redis:sesame',
    'redis://',
    'redis://sesame@',
    'redis://a,b/sesame',
    'redis://sesame:0',
    'redis://sesame:70000',
    'redis://sesame:x',
    'redis://redis/sesame',
    'redis://redis/0/sesame',
    'redis://redis?sesame=1',
    'redis://redis?db=sesame',
    'redis://redis?tls_ca=sesame',
    'rediss://redis?tls_verify=sesame',
    'redis://%zz:sesame@redis',
    'redis+sentinel://sesame',
    'redis+sentinel://sesame/',
    'redis+cluster://sesame/1',
    'redis+other://sesame',
    'redis://user:sesame@redis@host',
    'redis://sesame#x',
    'redis+cluster://sesame,,b',
  ];
  for (const url of wrong) {
    assert.throws(
      () => parseRedisUrl(url),
      (error: unknown) =>
        error instanceof GatewayError &&
        error.code === Code.InvalidArgument &&
        error.message.startsWith('The address of Redis (REDIS_URL) is not valid: ') &&
        !error.message.includes('sesame'),
      url,
    );
  }
});
