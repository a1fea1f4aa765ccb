import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Resumption } from './resumption.ts';

const event = (id: string | undefined, retry?: number) => ({ event: 'message', data: '', id, retry });

test('without an event id there is nothing to ask by', () => {
  assert.equal(new Resumption(undefined).next(false), undefined);
  assert.notEqual(new Resumption('1').next(false), undefined);
});

test('the stream stands where its last event with an id was', () => {
  const resumption = new Resumption('0');
  assert.deepEqual(
    ['1', '1', undefined, '', '2'].map((id) => resumption.note(event(id))),
    [true, false, false, false, true],
  );
  assert.equal(resumption.lastEventId, '2');
});

test('the first attempt is made when the server says, later ones not before, and ever later', () => {
  const resumption = new Resumption(undefined);
  resumption.note(event('1', 0));
  assert.equal(resumption.next(false), 0);
  const delays = Array.from({ length: 8 }, () => resumption.next(false) ?? 0);
  assert.ok(delays.every((delay) => delay >= 250 && delay <= 4000));
  assert.ok(Math.max(...delays) >= 2000);
  resumption.note(event('2', 60_000));
  assert.deepEqual([resumption.next(false), resumption.next(false)], [60_000, 60_000]);
});

test('a server that refuses is asked so often and no more; one that gives streams is asked on', () => {
  const resumption = new Resumption('1');
  const refuse = () => Array.from({ length: 5 }, () => resumption.next(true) !== undefined);
  const enough = [true, true, true, true, false];
  assert.deepEqual(refuse(), enough);
  resumption.granted();
  for (let n = 0; n < 20; n++) assert.notEqual(resumption.next(false), undefined);
  assert.deepEqual(refuse(), enough);
});
