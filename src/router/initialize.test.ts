import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeCatalog, fakeServer } from '../../test/support/fakes.ts';
import { buildSnapshot, type Source } from '../catalog/snapshot.ts';
import type { ServerCatalog } from '../catalog/types.ts';
import { offer } from './initialize.ts';

const IDENTITY = { name: 'gateway', title: 'Gateway', version: '1' };

const source = (id: string, more: Partial<ServerCatalog> | undefined): Source => ({
  server: fakeServer(id),
  catalog: more === undefined ? undefined : fakeCatalog({}, { capabilities: {}, ...more }),
});

const offered = async (...sources: Source[]) =>
  JSON.parse(offer(await buildSnapshot(sources, 10), '2025-06-18', IDENTITY));

test('what a server may bring later is always offered, with news of it', async () => {
  const { protocolVersion, capabilities, serverInfo, instructions } = await offered();
  assert.deepEqual([protocolVersion, serverInfo, instructions], ['2025-06-18', IDENTITY, undefined]);
  assert.deepEqual(capabilities, {
    tools: { listChanged: true },
    prompts: { listChanged: true },
    resources: { listChanged: true },
  });
});

test('the rest is what the servers add up to', async () => {
  const { capabilities } = await offered(
    source('a', { capabilities: { logging: {}, resources: { subscribe: false } } }),
    source('b', { capabilities: { completions: {}, resources: { subscribe: true } } }),
  );
  assert.deepEqual(Object.keys(capabilities).sort(), [
    'completions',
    'logging',
    'prompts',
    'resources',
    'tools',
  ]);
  assert.equal(capabilities.resources.subscribe, true);
  const inherited = await offered(source('a', { capabilities: JSON.parse('{"__proto__":{"logging":{}}}') }));
  assert.equal(inherited.capabilities.logging, undefined);
});

test('a server that has not answered yet may have anything but tasks', async () => {
  const { capabilities } = await offered(source('a', undefined));
  assert.ok(capabilities.logging && capabilities.completions && capabilities.resources.subscribe);
  assert.equal(capabilities.tasks, undefined);
});

test('what servers can do with tasks adds up', async () => {
  const { capabilities } = await offered(
    source('a', { capabilities: { tasks: { list: {}, requests: { tools: { call: {} } } } } }),
    source('b', { capabilities: { tasks: { cancel: {} } } }),
    source('c', { capabilities: { tasks: true } }),
  );
  assert.deepEqual(capabilities.tasks, { list: {}, cancel: {}, requests: { tools: { call: {} } } });
});

test('instructions say whose they are', async () => {
  const { instructions } = await offered(
    source('a', { instructions: '  Read me.\n' }),
    source('b', {}),
    source('c', { instructions: ' ' }),
    source('d', { instructions: 'Me too.' }),
  );
  assert.equal(instructions, '# a\nRead me.\n\n# d\nMe too.');
});

test('endless instructions are cut, and never within a character', async () => {
  for (let pad = 0; pad < 2; pad++) {
    const { instructions } = await offered(
      source('a', { instructions: `${'x'.repeat(pad)}${'😀'.repeat(20_000)}` }),
    );
    assert.ok(instructions.length <= 16_384 && instructions.length > 16_000);
    assert.equal(instructions.isWellFormed(), true, 'half a character');
  }
});
