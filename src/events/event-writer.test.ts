import assert from 'node:assert/strict';
import { test } from 'node:test';
import { storedEvent } from '../../test/support/events.ts';
import { recordingLogger } from '../../test/support/fakes.ts';
import { MemoryEvents } from '../../test/support/memory-events.ts';
import { until } from '../../test/support/wait.ts';
import type { EventStream, StreamedEvents } from '../coordination/event-stream.ts';
import { createMemoryCoordination } from '../coordination/memory/index.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { EventWriter } from './event-writer.ts';
import { pack } from './packed.ts';

/** Entries are given out once, unless those who took them let go of them. */
class MemoryStream implements EventStream {
  readonly entries = new Map<string, { readonly data: string; reader: string | undefined }>();
  readers = new Set<string>();
  /** What is called before entries are said to be done. */
  beforeDone: () => void = () => {};
  #last = 0;

  async append(data: string): Promise<void> {
    this.entries.set(String(++this.#last), { data, reader: undefined });
  }

  async read(reader: string, count: number): Promise<readonly StreamedEvents[]> {
    this.readers.add(reader);
    const free = [...this.entries].filter(([, entry]) => entry.reader === undefined).slice(0, count);
    for (const [, entry] of free) entry.reader = reader;
    return free.map(([id, { data }]) => ({ id, data }));
  }

  async done(ids: readonly string[]): Promise<void> {
    this.beforeDone();
    for (const id of ids) this.entries.delete(id);
  }

  async size(): Promise<number> {
    return this.entries.size;
  }

  release(): void {
    for (const entry of this.entries.values()) entry.reader = undefined;
  }
}

function start() {
  const stream = new MemoryStream();
  const store = new MemoryEvents();
  const { leases } = createMemoryCoordination({ nodeId: 'n' });
  const logger = recordingLogger();
  const writer = (nodeId: string) =>
    new EventWriter({ nodeId, stream, store, leases, logger, leaseMs: 100, idleMs: 5 });
  return { stream, store, logger, writer };
}

const put = (stream: MemoryStream, count: number) => {
  const events = Array.from({ length: count }, () => storedEvent());
  return stream.append(pack(events)).then(() => events.map(({ id }) => id));
};

test('what is in the stream is stored, and then taken out', async () => {
  const { stream, store, writer } = start();
  const ids = [...(await put(stream, 3)), ...(await put(stream, 2))];
  stream.beforeDone = () => assert.equal(store.events.length, 5);
  const node = writer('a');
  await until(() => stream.entries.size === 0, { what: 'the stream to be empty' });
  assert.deepEqual(
    store.events.map(({ id }) => id),
    ids,
  );
  assert.equal(node.stored, 5);
  await node.close();
});

test('one node at a time writes, and another when it has gone', async () => {
  const { stream, store, writer } = start();
  const [a, b] = [writer('a'), writer('b')];
  await put(stream, 1);
  await until(() => store.events.length === 1, { what: 'the first event' });
  const [first] = stream.readers;
  assert.equal(stream.readers.size, 1);
  await (first === 'a' ? a : b).close();
  await put(stream, 1);
  await until(() => store.events.length === 2, { what: 'the second event' });
  assert.equal(stream.readers.size, 2);
  await Promise.all([a.close(), b.close()]);
});

test('while the database is away nothing is taken out, and then everything is stored once', async () => {
  const { stream, store, writer, logger } = start();
  const whole = store.store;
  let times = 0;
  store.store = async (events) => {
    // The second time it has stored them, and nobody hears of it.
    if (++times === 2) await whole(events);
    if (times < 4) throw new GatewayError(Code.Unavailable, 'away');
    return await whole(events);
  };
  await put(stream, 3);
  const node = writer('a');
  await until(() => stream.entries.size === 0, { what: 'the stream to be empty' });
  assert.equal(store.events.length, 3);
  assert.deepEqual(
    logger.lines.map(({ message }) => message),
    ['events cannot be stored now: they wait', 'events are stored again'],
  );
  await node.close();
});

test('what a node has read that dies before it is done is stored by the next, once', async () => {
  const { stream, store, writer } = start();
  const ids = await put(stream, 4);
  await stream.read('dead', 10);
  await store.store(store.events.slice(0, 2));
  stream.release();
  const node = writer('b');
  await until(() => stream.entries.size === 0, { what: 'the stream to be empty' });
  assert.deepEqual(
    store.events.map(({ id }) => id),
    ids,
  );
  await node.close();
});

test('an entry that is no JSON is dropped, and told of', async () => {
  const { stream, store, writer, logger } = start();
  await stream.append('{');
  await put(stream, 1);
  const node = writer('a');
  await until(() => stream.entries.size === 0, { what: 'the stream to be empty' });
  assert.equal(store.events.length, 1);
  assert.ok(logger.lines.some(({ level }) => level === 'error'));
  await node.close();
});
