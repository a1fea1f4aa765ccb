import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { fakeRecord, OWNER, turns, turnsUntil } from '../../test/support/fakes.ts';
import type { Owner } from '../auth/principal.ts';
import type { BusMessage } from '../coordination/bus.ts';
import { MemoryBus } from '../coordination/memory/bus.ts';
import { MemoryHub } from '../coordination/memory/hub.ts';
import type {
  ServerEra,
  ServerPatch,
  ServerRecord,
  ServerRepository,
  ServerSpec,
} from '../db/server-record.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type ServerChange, ServerRegistry } from './registry.ts';

const OTHER: Owner = { tenantId: 'default', userId: 'other' };
const SPEC: ServerSpec = { name: 'new', enabled: true, target: fakeRecord('x').target };

/** Servers in an array, with a count of the reads. */
class FakeRepository implements ServerRepository {
  records: ServerRecord[] = [];
  reads = 0;
  failure: Error | undefined;

  async all(owner: Owner): Promise<readonly ServerRecord[]> {
    this.reads++;
    if (this.failure !== undefined) throw this.failure;
    return this.records.filter((record) => record.owner.userId === owner.userId);
  }

  async shared(tenantId: string): Promise<readonly ServerRecord[]> {
    return this.records.filter(
      ({ owner, sharedWith }) => owner.tenantId === tenantId && sharedWith !== undefined,
    );
  }

  async create(owner: Owner, spec: ServerSpec): Promise<ServerRecord> {
    if (this.records.some(({ name }) => name === spec.name))
      throw new GatewayError(Code.AlreadyExists, 'taken');
    const record = fakeRecord(spec.name, { ...spec, owner });
    this.records.push(record);
    return record;
  }

  async get(_owner: Owner, id: string): Promise<ServerRecord> {
    const record = this.records.find((each) => each.id === id);
    if (record === undefined) throw new GatewayError(Code.NotFound, 'no such server');
    return record;
  }

  async findByName(owner: Owner, name: string): Promise<ServerRecord> {
    const record = (await this.all(owner)).find((each) => each.name === name);
    if (record === undefined) throw new GatewayError(Code.NotFound, 'no such server');
    return record;
  }

  async page() {
    return { items: this.records, total: this.records.length };
  }

  async update(owner: Owner, id: string, patch: ServerPatch): Promise<ServerRecord> {
    const before = await this.get(owner, id);
    const after = { ...before, name: patch.name ?? before.name, revision: before.revision + 1 };
    this.records = this.records.map((each) => (each === before ? after : each));
    return after;
  }

  async noteEra(_owner: Owner, id: string, revision: number, era: ServerEra): Promise<void> {
    this.records = this.records.map((each) =>
      each.id === id && each.revision === revision ? { ...each, era } : each,
    );
  }

  async delete(owner: Owner, id: string): Promise<ServerRecord> {
    const record = await this.get(owner, id);
    this.records = this.records.filter((each) => each !== record);
    return record;
  }
}

/** A bus whose gaps the test makes. */
class GapBus extends MemoryBus {
  gap: () => void = () => {};
  away = false;

  override onGap(listener: () => void): () => void {
    this.gap = listener;
    return () => {};
  }

  override async broadcast(message: BusMessage): Promise<void> {
    if (this.away) throw new GatewayError(Code.Unavailable, 'away');
    await super.broadcast(message);
  }
}

function node(t: TestContext, repository: ServerRepository, hub = new MemoryHub(), id = 'n1') {
  const bus = new GapBus(id, hub, undefined);
  const registry = new ServerRegistry(repository, bus);
  const changes: ServerChange[] = [];
  registry.onChange((change) => changes.push(change));
  t.after(async () => {
    registry.close();
    await bus.close();
  });
  return { registry, bus, changes };
}

const namesOf = async (registry: ServerRegistry, owner = OWNER) =>
  (await registry.all(owner)).map(({ name }) => name);

test('an owner’s servers are read once, by as many as come', async (t) => {
  const repository = new FakeRepository();
  repository.records = [fakeRecord('a'), fakeRecord('b', { owner: OTHER })];
  const { registry } = node(t, repository);
  await Promise.all([registry.all(OWNER), registry.all(OWNER)]);
  assert.deepEqual(await namesOf(registry), ['a']);
  assert.equal(repository.reads, 1);
  assert.deepEqual(await namesOf(registry, OTHER), ['b']);
});

test('owners whose parts only look alike when joined are two', async (t) => {
  const repository = new FakeRepository();
  const { registry } = node(t, repository);
  await registry.all({ tenantId: 'a', userId: 'b:c' });
  await registry.all({ tenantId: 'a:b', userId: 'c' });
  assert.equal(repository.reads, 2);
});

test('a reading that failed is tried again', async (t) => {
  const repository = new FakeRepository();
  const { registry } = node(t, repository);
  repository.failure = new Error('away');
  await assert.rejects(registry.all(OWNER), /away/);
  repository.failure = undefined;
  assert.deepEqual(await namesOf(registry), []);
});

test('a change is seen by the next reader, and told to whoever listens', async (t) => {
  const repository = new FakeRepository();
  const { registry, changes } = node(t, repository);
  await registry.all(OWNER);
  await registry.create(OWNER, SPEC);
  assert.deepEqual(await namesOf(registry), ['new']);
  await registry.update(OWNER, 'new', { name: 'renamed' });
  assert.deepEqual(await namesOf(registry), ['renamed']);
  await registry.delete(OWNER, 'new');
  assert.deepEqual(await namesOf(registry), []);
  assert.deepEqual(
    changes,
    [1, 2, 3].map(() => ({ owner: OWNER, serverId: 'new' })),
  );
});

test('what was being read when a change came is not kept', async (t) => {
  const repository = new FakeRepository();
  const { registry } = node(t, repository);
  const before = registry.all(OWNER);
  await registry.create(OWNER, SPEC);
  assert.deepEqual(await before, []);
  assert.deepEqual(await namesOf(registry), ['new']);
});

test('a change that fails is told to nobody', async (t) => {
  const repository = new FakeRepository();
  const { registry, changes } = node(t, repository);
  await registry.create(OWNER, SPEC);
  changes.length = 0;
  await assert.rejects(registry.create(OWNER, SPEC), { code: Code.AlreadyExists });
  await assert.rejects(registry.update(OWNER, 'x', {}), { code: Code.NotFound });
  await assert.rejects(registry.delete(OWNER, 'x'), { code: Code.NotFound });
  assert.deepEqual(changes, []);
});

test('other nodes hear of a change and read again', async (t) => {
  const repository = new FakeRepository();
  const hub = new MemoryHub();
  const one = node(t, repository, hub, 'n1');
  const two = node(t, repository, hub, 'n2');
  await two.registry.all(OWNER);
  await one.registry.create(OWNER, SPEC);
  await turnsUntil(() => two.changes.length > 0, 'the news');
  assert.deepEqual(two.changes, [{ owner: OWNER, serverId: 'new' }]);
  assert.deepEqual(await namesOf(two.registry), ['new']);
  await turns();
  assert.equal(one.changes.length, 1);
});

test('a change counts even while the bus is away; after a gap everything is read again', async (t) => {
  const repository = new FakeRepository();
  const { registry, bus, changes } = node(t, repository);
  await registry.all(OWNER);
  await registry.all(OTHER);
  bus.away = true;
  await registry.create(OWNER, SPEC);
  assert.equal(changes.length, 1);
  await registry.all(OWNER);
  const { reads } = repository;
  changes.length = 0;
  bus.gap();
  assert.deepEqual(
    changes.map(({ owner, serverId }) => [owner.userId, serverId]).sort(),
    [OWNER, OTHER].map(({ userId }) => [userId, undefined]).sort(),
  );
  await registry.all(OWNER);
  await registry.all(OTHER);
  assert.equal(repository.reads, reads + 2);
});

test('who no longer listens is not told', async (t) => {
  const { registry } = node(t, new FakeRepository());
  let told = 0;
  const stop = registry.onChange(() => told++);
  await registry.create(OWNER, SPEC);
  stop();
  await registry.delete(OWNER, 'new');
  assert.equal(told, 1);
});
