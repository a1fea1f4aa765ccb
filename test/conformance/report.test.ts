import assert from 'node:assert/strict';
import { it } from 'node:test';
import { type Run, unexpected } from './report.ts';
import type { SuiteResults } from './suite.ts';

const PASSED = { passed: true, failures: [], failedChecks: [], warnings: 0 };
const failed = (...failedChecks: string[]) => ({ ...PASSED, passed: false, failedChecks });

function surprises(result: ReturnType<SuiteResults['get']>, isImpossible: boolean): number {
  const impossible = [{ scenario: 'a', checks: ['x', 'y'], reason: 'the era lacks it' }];
  const results: SuiteResults = new Map(result === undefined ? [] : [['a', result]]);
  const run: Run = {
    side: 'Server',
    version: '1',
    revision: '2',
    scenarios: ['a'],
    impossible: isImpossible ? impossible : [],
    columns: { 'through the gateway': results },
  };
  return unexpected(run).length;
}

it('is surprised by whatever differs from what is expected, in either direction', () => {
  assert.equal(surprises(PASSED, false), 0);
  assert.equal(surprises(failed('x'), false), 1);
  assert.equal(surprises(undefined, false), 1);
  assert.equal(surprises(failed('y', 'x', 'x'), true), 0);
  assert.equal(surprises(PASSED, true), 1);
  assert.equal(surprises(failed('x'), true), 1);
  assert.equal(surprises(failed('x', 'y', 'z'), true), 1);
  assert.equal(surprises(undefined, true), 1);
});

it('is surprised by what passes directly and not through the gateway, scored or not', () => {
  const run: Run = {
    side: 'Server',
    version: '1',
    revision: '2',
    scenarios: [],
    columns: { directly: new Map([['a', PASSED]]), 'through the gateway': new Map([['a', failed('x')]]) },
  };
  assert.equal(unexpected(run).length, 1);
});
