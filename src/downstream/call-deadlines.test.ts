import assert from 'node:assert/strict';
import { test } from 'node:test';
import { callDeadlines } from './call-deadlines.ts';

const GATEWAY = { idleMs: 60, totalMs: 600 };

test('without limits of its own a server has those of the gateway', () => {
  assert.equal(callDeadlines(GATEWAY, {}), GATEWAY);
  assert.equal(callDeadlines(GATEWAY, {}, 'slow'), GATEWAY);
  assert.equal(callDeadlines(GATEWAY, { toolTimeouts: { other: { idleMs: 1 } } }, 'slow'), GATEWAY);
});

test('each limit comes from the tool, else from the server, else from the gateway', () => {
  const server = {
    timeouts: { idleMs: 90 },
    toolTimeouts: { slow: { totalMs: 3600 }, quick: { idleMs: 5 } },
  };
  assert.deepEqual(callDeadlines(GATEWAY, server), { idleMs: 90, totalMs: 600 });
  assert.deepEqual(callDeadlines(GATEWAY, server, 'other'), { idleMs: 90, totalMs: 600 });
  assert.deepEqual(callDeadlines(GATEWAY, server, 'slow'), { idleMs: 90, totalMs: 3600 });
  assert.deepEqual(callDeadlines(GATEWAY, server, 'quick'), { idleMs: 5, totalMs: 600 });
});

test('a limit that was chosen is not cut short by one that was not', () => {
  assert.deepEqual(callDeadlines(GATEWAY, { timeouts: { idleMs: 900 } }), { idleMs: 900, totalMs: 900 });
  assert.deepEqual(callDeadlines(GATEWAY, { timeouts: { totalMs: 30 } }), { idleMs: 30, totalMs: 30 });
  const server = { timeouts: { idleMs: 50, totalMs: 50 }, toolTimeouts: { slow: { idleMs: 70 } } };
  assert.deepEqual(callDeadlines(GATEWAY, server, 'slow'), { idleMs: 70, totalMs: 70 });
});

test('a tool named like a member of every object has no limits by that', () => {
  const server = { toolTimeouts: { slow: { idleMs: 1 } } };
  for (const name of ['constructor', '__proto__', 'toString']) {
    assert.equal(callDeadlines(GATEWAY, server, name), GATEWAY);
  }
});
