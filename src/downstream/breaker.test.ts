import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Code, GatewayError } from '../protocol/errors.ts';
import { Breaker, Breakers } from './breaker.ts';

const OPTIONS = { failures: 3, pauseMs: 1000, maxInFlight: 10 };
const DOWN = new GatewayError(Code.DownstreamTimeout, 'Server "a" did not answer within 5 ms');

function breaker() {
  const clock = { now: 1_000_000 };
  return { clock, breaker: new Breaker('a', OPTIONS, () => clock.now) };
}

/** Lets calls through and fails them. */
function fail(it: Breaker, times: number): void {
  for (let n = 0; n < times; n++) {
    assert.equal(it.refusal(), undefined);
    it.failed(DOWN);
  }
}

test('so many failures in a row open it, and an answer between them begins anew', () => {
  const { breaker: it } = breaker();
  fail(it, 2);
  it.succeeded();
  fail(it, 2);
  assert.equal(it.state, 'closed');
  fail(it, 1);
  assert.equal(it.state, 'open');
  const refusal = it.refusal();
  assert.equal(refusal?.code, Code.DownstreamUnavailable);
  assert.match(refusal?.message ?? '', /"a".*after 3 failures in a row; the last: .*within 5 ms/);
  assert.equal(refusal?.retryAfter, 1);
});

test('what is not the doing of the server does not count', () => {
  const { breaker: it } = breaker();
  for (const code of [Code.Cancelled, Code.InvalidParams, Code.Internal, Code.FailedPrecondition]) {
    for (let n = 0; n < 5; n++) it.failed(new GatewayError(code, 'no'));
  }
  assert.equal(it.state, 'closed');
});

test('after the pause one call is let through, and its answer closes it', () => {
  const { breaker: it, clock } = breaker();
  fail(it, 3);
  clock.now += 499;
  assert.equal(it.state, 'open', 'the pause is at least half of its length');
  clock.now += 501;
  assert.equal(it.state, 'half-open');
  assert.equal(it.refusal(), undefined);
  assert.ok(it.refusal() instanceof GatewayError, 'only one at a time');
  it.succeeded();
  assert.equal(it.state, 'closed');
  assert.equal(it.refusal(), undefined);
});

test('a trial that fails opens it for longer, and one that is cancelled makes room for the next', () => {
  const { breaker: it, clock } = breaker();
  fail(it, 3);
  clock.now += 1000;
  fail(it, 1);
  clock.now += 999;
  assert.equal(it.state, 'open');
  clock.now += 1001;
  assert.equal(it.refusal(), undefined);
  it.failed(new GatewayError(Code.Cancelled, 'Cancelled by the client'));
  assert.equal(it.refusal(), undefined);
});

test('pauses grow to a minute, or to the first where that is longer', () => {
  for (const [pauseMs, longestMs] of [
    [1000, 60_000],
    [90_000, 90_000],
  ] as const) {
    const clock = { now: 1 };
    const it = new Breaker('a', { ...OPTIONS, failures: 1, pauseMs }, () => clock.now);
    for (let n = 0; n < 20; n++) {
      fail(it, 1);
      clock.now += longestMs;
      assert.equal(it.state, 'half-open');
    }
  }
});

test('each server has one, until it is dropped', () => {
  const breakers = new Breakers({ ...OPTIONS, failures: 1 });
  const [a, b] = [
    { id: '1', name: 'a' },
    { id: '2', name: 'b' },
  ];
  fail(breakers.of(a), 1);
  assert.equal(breakers.of(b).refusal(), undefined);
  assert.deepEqual(
    [...breakers.states()],
    [
      { server: 'a', state: 'open' },
      { server: 'b', state: 'closed' },
    ],
  );
  assert.equal(breakers.state('1'), 'open');
  assert.equal(breakers.state('never called'), 'closed');
  assert.equal([...breakers.states()].length, 2, 'asking makes none');
  breakers.drop('1');
  assert.equal(breakers.of(a).state, 'closed');
});

test('so many calls may be under way, and one more is refused without a word about the server', () => {
  const { breaker: it } = breaker();
  for (let n = 0; n < 10; n++) assert.equal(it.refusal(), undefined);
  assert.equal(it.inFlight, 10);
  for (let n = 0; n < 5; n++) {
    const refusal = it.refusal();
    assert.equal(refusal?.code, Code.Overloaded);
    assert.equal(refusal?.retryAfter, 1);
  }
  assert.deepEqual([it.state, it.inFlight, it.full], ['closed', 10, 5]);
  it.failed(DOWN);
  it.succeeded();
  assert.equal(it.inFlight, 8);
  assert.equal(it.refusal(), undefined);
  assert.equal(it.refusal(), undefined);
  assert.equal(it.refusal()?.code, Code.Overloaded);
});

test('who is refused for either reason is not under way', () => {
  const { breaker: it } = breaker();
  fail(it, 3);
  assert.equal(it.inFlight, 0);
  assert.equal(it.refusal()?.code, Code.DownstreamUnavailable);
  assert.equal(it.inFlight, 0);
});

test("refusals are still counted when their server has gone, and what it had under way is not the next one's", () => {
  const breakers = new Breakers({ ...OPTIONS, maxInFlight: 1 });
  const server = { id: '1', name: 'a' };
  const before = breakers.of(server);
  assert.equal(before.refusal(), undefined);
  assert.equal(before.refusal()?.code, Code.Overloaded);
  breakers.drop('1');
  assert.equal(breakers.full, 1);
  assert.equal(breakers.of(server).refusal(), undefined);
  before.succeeded();
  assert.equal(breakers.of(server).inFlight, 1);
  assert.equal(breakers.of(server).refusal()?.code, Code.Overloaded);
  assert.equal(breakers.full, 2);
});
