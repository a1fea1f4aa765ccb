import assert from 'node:assert/strict';
import { createSecretKey, randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import fc from 'fast-check';
import { anyCharacter } from '../../../test/support/json-text.ts';
import { Code, GatewayError } from '../errors.ts';
import { requestDigest } from './request-digest.ts';
import {
  createRequestStates,
  type ParkedCall,
  type StateBinding,
  type StateRefusal,
  StateRefused,
} from './request-state.ts';

const key = createSecretKey(randomBytes(32));
const otherKey = createSecretKey(randomBytes(32));
const states = createRequestStates([key]);

const call: ParkedCall = {
  node: 'node-12345678',
  park: 'kE3xU8Zw1mQ',
  round: 2,
  expiresAt: 1_800_000_600_000,
};
const binding: StateBinding = {
  tenantId: 't',
  userId: 'u',
  digest: requestDigest({ method: 'tools/call', params: { name: 'x' } }),
};
const now = 1_800_000_000_000;

const refused = (refusal: StateRefusal) => (error: unknown) =>
  error instanceof StateRefused && error.code === Code.InvalidParams && error.refusal === refusal;

describe('the state of a call that waits', () => {
  it('opens on any node with the key, whatever is in it', () => {
    const word = fc.string({ unit: anyCharacter, maxLength: 40 });
    const anyCall = fc.record({
      node: word,
      park: word,
      round: fc.nat(65535),
      expiresAt: fc.integer({ min: 1, max: 2 ** 48 - 1 }),
    });
    fc.assert(
      fc.property(anyCall, word, word, (each, tenantId, userId) => {
        const own = { ...binding, tenantId, userId };
        const opened = createRequestStates([key]).open(states.seal(each, own), own, each.expiresAt - 1);
        assert.deepEqual(opened, { ...each });
      }),
    );
  });

  it('is short, goes into JSON as it is, is never the same twice and shows nothing of its content', () => {
    const state = states.seal(call, binding);
    assert.match(state, /^[\w-]+$/);
    assert.ok(state.length < 220, String(state.length));
    assert.notEqual(state, states.seal(call, binding));
    for (const secret of [call.node, call.park]) assert.ok(!Buffer.from(state, 'base64url').includes(secret));
  });

  it('is refused with any byte of it flipped', () => {
    const bytes = Buffer.from(states.seal(call, binding), 'base64url');
    for (let at = 0; at < bytes.length; at++) {
      for (const bit of [1, 0x80]) {
        const flipped = Buffer.from(bytes);
        flipped[at]! ^= bit;
        assert.throws(
          () => states.open(flipped.toString('base64url'), binding, now),
          StateRefused,
          `byte ${at}`,
        );
      }
    }
  });

  it('is refused with any character of it changed, with more and with less', () => {
    const state = states.seal(call, binding);
    const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_+/= .';
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(...alphabet), (at, character) => {
        const index = at % state.length;
        const changed = state.slice(0, index) + character + state.slice(index + 1);
        if (changed !== state) assert.throws(() => states.open(changed, binding, now), StateRefused);
      }),
    );
    for (const other of [
      `${state}-TAMPERED`,
      `${state}=`,
      `${state} `,
      state.slice(1),
      state.slice(0, -1),
      '',
      'x',
      'AQ',
      'x'.repeat(100_000),
    ]) {
      assert.throws(() => states.open(other, binding, now), StateRefused);
    }
    for (let length = 0; length < state.length; length++) {
      assert.throws(() => states.open(state.slice(0, length), binding, now), StateRefused);
    }
  });

  it('is refused for another user, also one whose names run together to the same', () => {
    const state = states.seal(call, binding);
    for (const other of [
      { tenantId: 'x' },
      { userId: 'x' },
      { tenantId: 't","u', userId: '' },
      { tenantId: '', userId: 'tu' },
    ]) {
      assert.throws(() => states.open(state, { ...binding, ...other }, now), refused('other_user'));
    }
  });

  it('is refused for another request', () => {
    const state = states.seal(call, binding);
    for (const request of [
      { method: 'tools/call', params: { name: 'y' } },
      { method: 'prompts/get', params: { name: 'x' } },
    ]) {
      assert.throws(
        () => states.open(state, { ...binding, digest: requestDigest(request) }, now),
        refused('other_request'),
      );
    }
  });

  it('is refused from the moment it expires', () => {
    const state = states.seal(call, binding);
    states.open(state, binding, call.expiresAt - 1);
    assert.throws(() => states.open(state, binding, call.expiresAt), refused('expired'));
  });

  it('says the same to people whatever is wrong', () => {
    const state = states.seal(call, binding);
    const messages = new Set<string>();
    for (const attempt of [
      () => states.open('x', binding, now),
      () => states.open(state, { ...binding, userId: 'x' }, now),
      () => states.open(state, binding, call.expiresAt),
      () => createRequestStates([otherKey]).open(state, binding, now),
    ]) {
      assert.throws(
        attempt,
        (error) => error instanceof StateRefused && messages.add(error.message) !== undefined,
      );
    }
    assert.equal(messages.size, 1);
    assert.match([...messages][0]!, /"requestState"/);
  });
});

describe('keys of states', () => {
  it('change without a call being lost: the first seals, all open', () => {
    const before = createRequestStates([otherKey]).seal(call, binding);
    const rotated = createRequestStates([key, otherKey]);
    assert.deepEqual(rotated.open(before, binding, now), call);
    assert.deepEqual(states.open(rotated.seal(call, binding), binding, now), call);
  });

  it('that are not there open nothing, and seal nothing', () => {
    const state = states.seal(call, binding);
    for (const keys of [[], [otherKey]]) {
      assert.throws(() => createRequestStates(keys).open(state, binding, now), refused('unknown_key'));
    }
    assert.throws(
      () => createRequestStates([]).seal(call, binding),
      (error) => error instanceof GatewayError && error.code === Code.Internal,
    );
  });

  it('are not the ones that they are made from', () => {
    const bytes = Buffer.from(states.seal(call, binding), 'base64url');
    assert.ok(!bytes.includes(key.export().subarray(0, 4)));
  });
});

describe('what no state can hold', () => {
  for (const [what, change] of Object.entries({
    'a node name too long': { node: 'x'.repeat(256) },
    'too many rounds': { round: 65536 },
    'a round before the first': { round: -1 },
  })) {
    it(`is ${what}`, () => {
      assert.throws(
        () => states.seal({ ...call, ...change }, binding),
        (error) => error instanceof GatewayError && error.code === Code.Internal,
      );
    });
  }
});
