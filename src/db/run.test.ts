import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Engine } from './orm.ts';
import { probe, run } from './run.ts';

const is = (code: Code) => (error: unknown) => error instanceof GatewayError && error.code === code;
const never = () => new Promise<never>(() => undefined);

describe('queries', () => {
  const reset = mock.fn();
  const engine = { orm: {}, reset, close: async () => undefined } as unknown as Engine;
  beforeEach(() => {
    reset.mock.resetCalls();
    mock.timers.enable({ apis: ['setTimeout'] });
  });
  afterEach(() => mock.timers.reset());

  it('give what they give, and leave no timer', async () => {
    assert.equal(await run(engine, async (orm) => orm === engine.orm), true);
    mock.timers.tick(60_000);
    assert.equal(reset.mock.callCount(), 0);
  });

  it('without an answer are Unavailable after ten seconds, and their connections are dropped', async () => {
    const late = assert.rejects(run(engine, never), is(Code.Unavailable));
    mock.timers.tick(9_999);
    assert.equal(reset.mock.callCount(), 0);
    mock.timers.tick(1);
    await late;
    assert.equal(reset.mock.callCount(), 1);
  });

  it('that answer too late harm nobody', async () => {
    let fail = (_reason: Error): void => undefined;
    const slow = new Promise<never>((_, reject) => {
      fail = reject;
    });
    const late = assert.rejects(
      run(engine, () => slow),
      is(Code.Unavailable),
    );
    mock.timers.tick(10_000);
    await late;
    fail(new Error('dropped'));
    await assert.rejects(slow);
  });

  it('of a probe are given two seconds, and keep their connections', async () => {
    const late = assert.rejects(probe(engine, never), is(Code.Unavailable));
    mock.timers.tick(2_000);
    await late;
    assert.equal(reset.mock.callCount(), 0);
  });

  it('that fail become errors of the gateway', async () => {
    const refused = Object.assign(new Error('x'), { code: 'ECONNREFUSED' });
    await assert.rejects(
      run(engine, () => Promise.reject(refused)),
      is(Code.Unavailable),
    );
    await assert.rejects(
      probe(engine, () => Promise.reject(new Error('x'))),
      is(Code.Internal),
    );
  });
});
