import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMemoryCoordination, MemoryHub } from '../coordination/memory/index.ts';
import { Wants } from './wants.ts';

const SESSION = {
  id: 's1',
  tenantId: 't',
  userId: 'u',
  roles: [],
  protocolVersion: '2025-11-25',
  clientInfo: {},
  capabilities: {},
  createdAt: 0,
};

async function nodes(changedAtB: () => Promise<void>) {
  const hub = new MemoryHub();
  const [a, b] = ['a', 'b'].map((nodeId) => createMemoryCoordination({ nodeId, hub })) as [Node, Node];
  await a.sessions.create(SESSION, 'a', 60_000);
  await b.sessions.load('s1', 'b', 60_000);
  const wants = new Wants({ bus: a.bus, store: a.sessions, changed: async () => assert.fail() });
  const other = new Wants({ bus: b.bus, store: b.sessions, changed: changedAtB });
  const close = async () => {
    wants.close();
    other.close();
    await Promise.all([a.close(), b.close()]);
  };
  return { wants, close };
}

type Node = ReturnType<typeof createMemoryCoordination>;

test('the other nodes of a session have taken over what its client wants before anybody goes on', async () => {
  let isDone = false;
  const { wants, close } = await nodes(async () => {
    await new Promise(setImmediate);
    isDone = true;
  });
  await wants.tell('s1');
  assert.ok(isDone);
  await close();
});

test('a node that fails to keeps nobody waiting, and one that never does not for long', async (t) => {
  const failing = await nodes(() => Promise.reject(new Error('the store is away')));
  await failing.wants.tell('s1');
  await failing.close();
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const silent = await nodes(() => new Promise(() => {}));
  const told = silent.wants.tell('s1');
  for (let i = 0; i < 10; i++) await new Promise(setImmediate);
  t.mock.timers.tick(60_000);
  await told;
  await silent.close();
});
