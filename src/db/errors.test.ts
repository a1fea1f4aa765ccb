import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { inspect } from 'node:util';
import { Code, GatewayError } from '../protocol/errors.ts';
import { databaseError } from './errors.ts';

const driver = (code: string) => Object.assign(new Error(`driver says ${code}`), { code });
/** As drizzle does: with the statement and its parameters in the message. */
const wrapped = (cause: Error) => new Error('Failed query: insert … params: hunter2', { cause });

describe('errors of the database', () => {
  for (const code of [
    'ECONNREFUSED',
    'CONNECTION_CLOSED',
    'CONNECT_TIMEOUT',
    '08006',
    '57P01',
    '53300',
    '25006',
    '40001',
  ]) {
    it(`${code} is Unavailable, to be tried again`, () => {
      const error = databaseError(wrapped(driver(code)));
      assert.equal(error.code, Code.Unavailable);
      assert.ok(error.retryAfter !== undefined && error.retryAfter > 0);
    });
  }

  it('a NUL character is the caller’s mistake', () => {
    assert.equal(databaseError(wrapped(driver('22021'))).code, Code.InvalidArgument);
  });

  it('anything else is Internal', () => {
    for (const thrown of [
      wrapped(driver('42601')),
      wrapped(new Error('odd')),
      new Error('odd'),
      'odd',
      undefined,
    ]) {
      assert.equal(databaseError(thrown).code, Code.Internal);
    }
  });

  it('nothing of a statement is kept, not even for the log', () => {
    for (const cause of [driver('42601'), driver('ECONNRESET'), driver('22021'), new Error('odd')]) {
      assert.ok(!inspect(databaseError(wrapped(cause)), { depth: 9, showHidden: true }).includes('hunter2'));
    }
  });

  it('ours pass unchanged', () => {
    const ours = new GatewayError(Code.NotFound, 'no');
    assert.equal(databaseError(ours), ours);
  });
});
