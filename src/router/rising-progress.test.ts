import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notificationText, parseMessage } from '../protocol/envelope.ts';
import { RisingProgress } from './rising-progress.ts';

const step = (progress: unknown, method = 'notifications/progress') =>
  parseMessage(notificationText(method, { progressToken: 't', progress }), 64);

test('a first run tells what it likes; a second what is beyond that', () => {
  const progress = new RisingProgress();
  assert.deepEqual(
    [1, 3, 2].map((each) => progress.passes(step(each))),
    [true, true, true],
  );
  assert.equal(progress.told, 2);
  progress.restart();
  assert.deepEqual(
    [1, 2, 2.5, 3].map((each) => progress.passes(step(each))),
    [false, false, true, true],
  );
  assert.equal(progress.told, 3);
});

test('what the client was told by another node counts', () => {
  const progress = new RisingProgress(2);
  assert.deepEqual(
    [2, 3].map((each) => progress.passes(step(each))),
    [false, true],
  );
});

test('other messages, and steps that are no numbers, pass', () => {
  const progress = new RisingProgress(2);
  for (const message of [step(1, 'notifications/message'), step('1'), step(undefined)]) {
    assert.equal(progress.passes(message), true);
  }
  assert.equal(progress.told, 2);
});
