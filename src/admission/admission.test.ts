import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Code } from '../protocol/errors.ts';
import { Admission } from './admission.ts';

const LIMITS = { maxInFlight: 100, maxInFlightOfOne: 60, maxStreamsOfOne: 3, maxTurnMs: 0 };
const user = (userId: string, tenantId = 't') => ({ tenantId, userId });

/** Lets in as many calls as it will take; returns how many, and the last refusal. */
function fill(admission: Admission, userId: string, most = 1000, method = 'tools/call') {
  const load = admission.loadOf(user(userId));
  for (let count = 0; count < most; count++) {
    const refusal = admission.enter(load, method);
    if (refusal !== undefined) return { load, count, refusal };
  }
  return { load, count: most, refusal: undefined };
}

test('one principal may have so many, and hears that it is its own doing', () => {
  const admission = new Admission(LIMITS);
  const { load, count, refusal } = fill(admission, 'a');
  assert.equal(count, 60);
  assert.equal(refusal?.code, Code.TooManyRequests);
  assert.ok(Number.isInteger(refusal?.retryAfter));
  assert.equal(admission.refused.get('principal_full'), 1);
  admission.leave(load);
  assert.equal(admission.enter(load, 'tools/call'), undefined);
});

test('a node that is nearly full holds everybody to an equal share', () => {
  const admission = new Admission(LIMITS);
  const heavy = fill(admission, 'heavy', 60);
  const other = fill(admission, 'other');
  assert.equal(other.count, 40, 'up to what the node may have');
  assert.equal(other.refusal?.code, Code.Overloaded);
  for (let n = 0; n < 5; n++) admission.leave(heavy.load);
  assert.equal(admission.enter(heavy.load, 'tools/call')?.code, Code.TooManyRequests, 'it has its share');
  assert.equal(admission.enter(other.load, 'tools/call'), undefined);
  assert.equal(admission.enter(admission.loadOf(user('third')), 'tools/call'), undefined);
  assert.equal(admission.refused.get('principal_share'), 1);
  assert.equal(admission.refused.get('node_full'), 1);
});

test('what ends something gets in when calls do not', () => {
  const admission = new Admission(LIMITS);
  const { load } = fill(admission, 'a');
  assert.equal(fill(admission, 'a', 6, 'ping').refusal, undefined);
  assert.equal(admission.enter(load, 'ping')?.code, Code.TooManyRequests, 'up to a limit, too');
  fill(admission, 'b', 34);
  const c = admission.loadOf(user('c'));
  assert.equal(admission.enter(c, 'tools/call')?.code, Code.Overloaded);
  assert.equal(admission.enter(c, 'tasks/cancel'), undefined);
});

test('users of the same name are others in another tenant', () => {
  const admission = new Admission(LIMITS);
  fill(admission, 'a');
  assert.equal(admission.enter(admission.loadOf(user('a', 'u')), 'tools/call'), undefined);
});

test('streams are counted apart', () => {
  const admission = new Admission(LIMITS);
  const load = admission.loadOf(user('a'));
  for (let n = 0; n < 3; n++) assert.equal(admission.openStream(load), undefined);
  assert.equal(admission.openStream(load)?.code, Code.TooManyRequests);
  assert.equal(admission.enter(load, 'tools/call'), undefined);
  admission.closeStream(load);
  assert.equal(admission.openStream(load), undefined);
});

test('clients that are refused are asked to come back at different times', () => {
  const admission = new Admission(LIMITS);
  const { load } = fill(admission, 'a');
  const times = Array.from({ length: 9 }, () => admission.enter(load, 'tools/call')?.retryAfter);
  assert.deepEqual([...new Set(times)].sort(), [1, 2, 3]);
});

test('principals are forgotten that hold nothing', () => {
  const admission = new Admission(LIMITS);
  const busy = admission.loadOf(user('busy'));
  admission.enter(busy, 'tools/call');
  const streaming = admission.loadOf(user('streaming', 'u'));
  admission.openStream(streaming);
  admission.loadOf(user('idle'));
  admission.sweep();
  assert.equal(admission.principals, 3, 'whoever was just here may come again');
  admission.sweep();
  assert.equal(admission.principals, 2);
  assert.equal(admission.loadOf(user('busy')), busy);
  admission.leave(busy);
  admission.closeStream(streaming);
  admission.sweep();
  admission.sweep();
  assert.equal(admission.principals, 0);
});

test('never more than allowed, and what has entered leaves, in whatever order', () => {
  const limits = { maxInFlight: 20, maxInFlightOfOne: 12, maxStreamsOfOne: 2, maxTurnMs: 0 };
  const step = fc.record({
    who: fc.integer({ min: 0, max: 5 }),
    does: fc.constantFrom('call', 'call', 'call', 'ping', 'leave', 'leave', 'sweep'),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 300 }), (steps) => {
      const admission = new Admission(limits);
      const held = Array.from({ length: 6 }, () => 0);
      for (const { who, does } of steps) {
        if (does === 'sweep') {
          admission.sweep();
          continue;
        }
        const load = admission.loadOf(user(String(who)));
        assert.equal(load.inFlight, held[who], 'nobody is forgotten who holds something');
        if (does === 'leave') {
          if (held[who] === 0) continue;
          admission.leave(load);
          held[who]!--;
          continue;
        }
        const before = admission.inFlight;
        const isLetIn = admission.enter(load, does === 'call' ? 'tools/call' : 'ping') === undefined;
        if (isLetIn) held[who]!++;
        if (does === 'call' && isLetIn) assert.ok(before < 20 && held[who]! <= 12);
        assert.ok(admission.inFlight <= 22 && held[who]! <= 14);
        // Whoever holds nothing is let in wherever there is room at all.
        if (does === 'call' && held[who]! === 0) assert.ok(before >= 20 || isLetIn);
      }
      const all = held.reduce((sum, count) => sum + count, 0);
      assert.equal(admission.inFlight, all);
      held.forEach((count, who) => {
        for (let n = 0; n < count; n++) admission.leave(admission.loadOf(user(String(who))));
      });
      assert.equal(admission.inFlight, 0);
      admission.sweep();
      admission.sweep();
      assert.equal(admission.principals, 0);
    }),
  );
});
