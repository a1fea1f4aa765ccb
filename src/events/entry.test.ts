import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toStored } from './entry.ts';
import type { EventFields } from './event.ts';
import { Sparingly } from './sparingly.ts';
import { uuidV7 } from './uuid.ts';

const CALL: EventFields = {
  type: 'call',
  action: 'tools/call',
  tenantId: 'default',
  outcome: 'ok',
  args: { city: 'Rome', api_key: 'k3y', nested: { token: 't0ken' }, url: 'https://u:p4ss@host/' },
};

test('ids are of version 7, tell the time, and rise', () => {
  const now = Date.now();
  const ids = [...Array.from({ length: 3000 }, () => uuidV7(now)), uuidV7(now + 1), uuidV7(now + 256)];
  for (const id of ids)
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.deepEqual([...ids].sort(), ids);
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(Number.parseInt((ids[0] ?? '').replace('-', '').slice(0, 12), 16), now);
});

test('of arguments is kept what was asked for, and never a secret', () => {
  assert.equal(toStored(CALL, 1, 'n', 'none').detail, undefined);
  const hashed = JSON.parse(toStored(CALL, 1, 'n', 'hashed').detail ?? '');
  assert.deepEqual(Object.keys(hashed), ['argumentsSha256']);
  assert.equal(toStored(CALL, 2, 'n', 'hashed').detail, JSON.stringify(hashed));
  const full = JSON.parse(toStored(CALL, 1, 'n', 'full').detail ?? '');
  assert.deepEqual(full, {
    arguments: {
      city: 'Rome',
      api_key: '[redacted]',
      nested: { token: '[redacted]' },
      url: 'https://[redacted]@host/',
    },
  });
  const large = { ...CALL, args: { list: Array.from({ length: 5000 }, () => 'text') } };
  const cut = JSON.parse(toStored(large, 1, 'n', 'full').detail ?? '');
  assert.deepEqual([cut.arguments.length, cut.argumentsCut], [8192, true]);
});

test('details are redacted, and text is such as every database takes', () => {
  const { detail, tool } = toStored(
    {
      ...CALL,
      args: undefined,
      detail: { password: 'x', reason: 'Bearer abcd.efgh' },
      tool: `a\0b\ud800${'x'.repeat(600)}`,
    },
    1,
    'n',
    'none',
  );
  assert.deepEqual(JSON.parse(detail ?? ''), { password: '[redacted]', reason: 'Bearer [redacted]' });
  assert.equal(tool?.length, 512);
  assert.ok(tool?.startsWith('a\ufffdb\ufffdx'));
});

test('what comes too often is told of now and then, with how often it was not', () => {
  const sparingly = new Sparingly(3, 3_600_000);
  assert.deepEqual(
    [1, 2, 3, 4, 5].map(() => sparingly.tell()),
    [0, 0, 0, undefined, undefined],
  );
  const soon = new Sparingly(1, 1);
  assert.equal(soon.tell(), 0);
  let skipped = 0;
  for (let told: number | undefined; told === undefined; skipped++) told = soon.tell();
  assert.ok(skipped >= 1);
});
