import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redact, scrub } from './redact.ts';

const SECRET = 's3cr3t-v4lue';

test('secrets are masked by their name at any depth', () => {
  const names = [
    'authorization',
    'Proxy-Authorization',
    'cookie',
    'Set-Cookie',
    'token',
    'accessToken',
    'refresh_token',
    'clientSecret',
    'password',
    'apiKey',
    'API_KEY',
    'x-goog-api-key',
    'privateKey',
    'credentials',
  ];
  for (const name of names) {
    const line = JSON.stringify(redact({ outer: [{ [name]: SECRET }] }));
    assert.ok(!line.includes(SECRET), `${name} is shown`);
    assert.ok(line.includes(name));
  }
});

test('of headers and environments the names are shown and no value is', () => {
  const shown = redact({
    target: { headers: { 'X-Custom': SECRET }, env: { HOME: SECRET } },
    fetched: new Headers({ 'x-other': SECRET }),
    header: SECRET,
  });
  const line = JSON.stringify(shown);
  assert.ok(!line.includes(SECRET));
  for (const name of ['X-Custom', 'HOME', 'x-other']) assert.ok(line.includes(name));
  // Whichever way they are held.
  const held = redact({
    headers: ['x-one', SECRET],
    env: `HOME=${SECRET}`,
    fetched: new Map([['x-two', SECRET]]),
  });
  assert.deepEqual(held, { headers: '[redacted]', env: '[redacted]', fetched: { 'x-two': '[redacted]' } });
});

test('secrets in text are masked by their form', () => {
  const cases = [
    `Bearer ${SECRET}`,
    `header was "Authorization: Basic ${SECRET}=="`,
    `postgres://user:${SECRET}@db.internal:5432/x`,
    `GET https://example.com/mcp?api_key=${SECRET}&x=1`,
    `redis://:${SECRET}@localhost`,
  ];
  for (const text of cases) {
    assert.ok(!scrub(text).includes(SECRET), text);
    const line = JSON.stringify(redact({ text, inside: [{ of: [text] }] }));
    assert.ok(!line.includes(SECRET), line);
  }
  const url = new URL(`https://user:${SECRET}@example.com/?token=${SECRET}`);
  assert.ok(!JSON.stringify(redact({ url })).includes(SECRET));
  assert.equal(scrub('https://example.com/mcp?page=2'), 'https://example.com/mcp?page=2');
  assert.equal(
    scrub('see https://example.com/a, write to me@example.com'),
    'see https://example.com/a, write to me@example.com',
  );
});

test('errors are spelt out with what is attached and with their causes, without secrets', () => {
  const inner = Object.assign(new TypeError(`fetch of https://u:${SECRET}@x failed`), {
    code: 'ECONNREFUSED',
  });
  const error = Object.assign(new Error('call failed', { cause: inner }), {
    request: { headers: { authorization: SECRET }, method: 'POST' },
  });
  const shown = redact({ err: error });
  assert.ok(!JSON.stringify(shown).includes(SECRET));
  const err = shown['err'] as Record<string, unknown>;
  assert.equal(err['type'], 'Error');
  assert.equal(err['message'], 'call failed');
  assert.match(String(err['stack']), /redact\.test/);
  assert.deepEqual(err['request'], { headers: { authorization: '[redacted]' }, method: 'POST' });
  assert.equal((err['cause'] as Record<string, unknown>)['code'], 'ECONNREFUSED');
});

test('harmless values stay as they are', () => {
  const at = new Date(0);
  const fields = {
    tool: 'a__b',
    count: 3,
    ok: true,
    none: null,
    at,
    progressToken: 7,
    pageToken: 'p',
    tokens: 12,
  };
  assert.deepEqual(redact(fields), fields);
});

test('cycles, depth and length are bounded', () => {
  const cycle: Record<string, unknown> = {};
  cycle['self'] = cycle;
  assert.ok(JSON.stringify(redact({ cycle })).includes('[deep]'));
  assert.ok(scrub('x'.repeat(1_000_000)).length < 5000);
  assert.deepEqual(redact({ body: new Uint8Array(3) }), { body: '[3 bytes]' });
});
