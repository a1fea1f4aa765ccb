import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { Code, GatewayError } from '../protocol/errors.ts';
import { createSealer, type SealPlace } from './seal.ts';

const oldKey = createSecretKey(randomBytes(32));
const newKey = createSecretKey(randomBytes(32));
const place: SealPlace = { owner: { tenantId: 't', userId: 'u' }, serverId: 's', field: 'headers' };
const secret = 'Bearer ünï-códe-token';

const precondition = (message: RegExp) => (error: unknown) =>
  error instanceof GatewayError && error.code === Code.FailedPrecondition && message.test(error.message);

describe('sealing', () => {
  it('opens what it sealed', () => {
    const sealer = createSealer([newKey]);
    for (const text of [secret, '', 'x'.repeat(100_000)]) {
      assert.equal(sealer.open(sealer.seal(text, place), place), text);
    }
  });

  it('never makes the same text twice, and shows nothing of the secret', () => {
    const sealer = createSealer([newKey]);
    const sealed = sealer.seal(secret, place);
    assert.notEqual(sealed, sealer.seal(secret, place));
    assert.match(sealed, /^v1\.[\w-]{8}\.[\w-]+$/);
    const bytes = Buffer.from(sealed.split('.')[2]!, 'base64url');
    assert.ok(!bytes.includes('Bearer'));
  });

  it('opens with every key and seals with the first', () => {
    const before = createSealer([oldKey]).seal(secret, place);
    const rotated = createSealer([newKey, oldKey]);
    assert.equal(rotated.open(before, place), secret);
    assert.equal(createSealer([newKey]).open(rotated.seal(secret, place), place), secret);
  });

  it('needs a key, and names the setting', () => {
    assert.throws(() => createSealer([]).seal(secret, place), precondition(/DRAGON_ENCRYPTION_KEY/));
    const sealed = createSealer([oldKey]).seal(secret, place);
    for (const keys of [[], [newKey]]) {
      assert.throws(() => createSealer(keys).open(sealed, place), precondition(/DRAGON_ENCRYPTION_KEY/));
    }
  });

  const elsewhere: Record<string, SealPlace> = {
    'another tenant': { ...place, owner: { tenantId: 'x', userId: 'u' } },
    'another user': { ...place, owner: { tenantId: 't', userId: 'x' } },
    'another server': { ...place, serverId: 'x' },
    'another field': { ...place, field: 'env' },
    'parts that run together': { ...place, owner: { tenantId: 't","u', userId: '' } },
  };
  for (const [name, other] of Object.entries(elsewhere)) {
    it(`does not open for ${name}`, () => {
      const sealer = createSealer([newKey]);
      assert.throws(() => sealer.open(sealer.seal(secret, place), other), precondition(/altered/));
    });
  }

  it('does not open what was altered or is no seal at all', () => {
    const sealer = createSealer([newKey]);
    const [version, id, body] = sealer.seal(secret, place).split('.') as [string, string, string];
    const bytes = Buffer.from(body, 'base64url');
    for (let index = 0; index < bytes.length; index++) {
      const changed = Buffer.from(bytes);
      changed[index]! ^= 1;
      const sealed = `${version}.${id}.${changed.toString('base64url')}`;
      assert.throws(() => sealer.open(sealed, place), precondition(/altered/));
    }
    for (const rest of ['', 'AAAA', bytes.subarray(0, 27).toString('base64url')]) {
      assert.throws(() => sealer.open(`${version}.${id}.${rest}`, place), precondition(/altered/));
    }
    for (const text of ['', 'v1', `v2.${id}.${body}`, 'plain text']) {
      assert.throws(() => sealer.open(text, place), precondition(/key that the gateway does not have/));
    }
  });
});
