import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { turns, turnsUntil } from '../../test/support/fakes.ts';
import type { Bus, BusMessage } from '../coordination/bus.ts';
import { createMemoryCoordination, MemoryHub } from '../coordination/memory/index.ts';
import { unavailable } from '../coordination/unavailable.ts';
import { ClientStream, type StreamWriter } from './client-stream.ts';
import { parseEventId, requestStreamId } from './event-id.ts';
import { EventLog } from './event-log.ts';
import { Takeover, type TakeoverEnd } from './takeover.ts';

const STREAM = requestStreamId(1, 'q', 'a');

/** A connection that writes down what it is given. */
class Connection implements StreamWriter {
  readonly events: string[] = [];

  write(data: string, id: string | undefined): boolean {
    this.events.push(`${parseEventId(id ?? '')?.sequence}:${data}`);
    return true;
  }

  begin(): void {}
  part(): boolean {
    return true;
  }
  finish(): void {}
  end(): void {}
}

/** Node `a` has a stream, and a client comes to `b` for it. What `a` says to `b` can be lost. */
async function start(t: TestContext) {
  const hub = new MemoryHub();
  let watch = () => {};
  t.mock.method(globalThis, 'setInterval', (run: () => void) => {
    watch = run;
    return { unref() {} };
  });
  const streams = new Map([
    [
      STREAM,
      new ClientStream(STREAM, new EventLog({ maxSize: 1000, keepMs: 1000 }), {
        after: 0,
        primes: false,
      }),
    ],
  ]);
  const losing = { next: 0, isAway: false };
  const alive = new Set(['a', 'b']);
  const startNode = (nodeId: string) => {
    const { bus } = createMemoryCoordination({ nodeId, hub });
    const lossy: Bus = {
      nodeId,
      broadcast: (message) => bus.broadcast(message),
      on: (kind, listener) => bus.on(kind, listener),
      onGap: (listener) => bus.onGap(listener),
      close: () => bus.close(),
      send: async (to: string, message: BusMessage) => {
        if (losing.isAway) throw unavailable();
        if (nodeId === 'a' && losing.next > 0) {
          losing.next--;
          return true;
        }
        return bus.send(to, message);
      },
    };
    const takeover = new Takeover({
      bus: lossy,
      members: {
        isAlive: async (node: string) => alive.has(node),
        beat: async () => {},
        leave: async () => {},
        list: async () => [],
      },
      find: (sessionId, streamId) =>
        nodeId === 'a' && sessionId === 's' ? streams.get(streamId) : undefined,
    });
    const look = watch;
    t.after(async () => {
      takeover.close();
      await bus.close();
    });
    return { takeover, look };
  };
  const [a, b] = [startNode('a'), startNode('b')];
  const client = new Connection();
  const ends: TakeoverEnd[] = [];
  return {
    a,
    b,
    stream: streams.get(STREAM)!,
    client,
    ends,
    losing,
    alive,
    forget: () => streams.delete(STREAM),
    restart() {
      a.takeover.close();
      startNode('a');
    },
    take: (node = 'a', after = 0) =>
      b.takeover.take(node, 's', STREAM, after, client, (end) => ends.push(end)),
    /** Both nodes look after each other, and what comes of it is done. */
    async look() {
      b.look();
      await turns();
      a.look();
      await turns();
    },
  };
}

test('a stream is written to a client at another node, from where it was on to its end', async (t) => {
  const { stream, client, ends, take, look } = await start(t);
  stream.send('1');
  stream.send('2');
  take('a', 1);
  await turnsUntil(() => client.events.length === 1, 'what there was');
  stream.send('3');
  await look();
  stream.answer('4', '');
  stream.end();
  await turnsUntil(() => ends.length > 0, 'the end');
  assert.deepEqual([client.events, ends], [['2:2', '3:3', '4:4'], ['ended']]);
});

test('one that lets go gets nothing more', async (t) => {
  const { stream, client, take, look } = await start(t);
  const letGo = take();
  await turns();
  letGo();
  await turns();
  stream.send('1');
  await look();
  assert.deepEqual([client.events, stream.count], [[], 0]);
});

test('what is lost on the way is asked for again, and comes once', async (t) => {
  const { stream, client, losing, take, look, ends } = await start(t);
  take();
  await turns();
  stream.send('1');
  await turns();
  losing.next = 2;
  stream.send('2');
  stream.send('3');
  await turns();
  // The next one shows that some are missing.
  stream.send('4');
  await turnsUntil(() => client.events.length === 4, 'all');
  // So does, in the end, that its node knows nothing of it any more.
  losing.next = 2;
  stream.send('5');
  stream.end();
  await turns();
  await look();
  await look();
  await turnsUntil(() => ends.length > 0, 'the end');
  assert.deepEqual([client.events, ends], [['1:1', '2:2', '3:3', '4:4', '5:5'], ['ended']]);
});

test('while the bus is away the client waits, and then has it all', async (t) => {
  const { stream, client, losing, take, look, ends } = await start(t);
  losing.isAway = true;
  take();
  stream.send('1');
  await look();
  assert.deepEqual([client.events, ends], [[], []]);
  losing.isAway = false;
  await look();
  assert.deepEqual(client.events, ['1:1']);
  losing.isAway = true;
  stream.send('2');
  await look();
  losing.isAway = false;
  await look();
  await look();
  assert.deepEqual([client.events, ends], [['1:1', '2:2'], []]);
});

test('a stream is lost with its node, and where that does not have it', async (t) => {
  const cases: Record<string, (node: Awaited<ReturnType<typeof start>>) => void | Promise<void>> = {
    'its node is gone': ({ take, alive }) => {
      alive.delete('a');
      take();
    },
    'its node goes': async ({ take, alive, a }) => {
      take();
      await turns();
      a.takeover.close();
      alive.delete('a');
    },
    'there never was such a node': ({ take }) => {
      take('c');
    },
    'its node has forgotten it': ({ take, forget }) => {
      forget();
      take();
    },
    'another process has its node’s name': async ({ take, forget, restart }) => {
      take();
      await turns();
      forget();
      restart();
    },
  };
  for (const [name, lose] of Object.entries(cases)) {
    await t.test(name, async (t) => {
      const node = await start(t);
      await lose(node);
      for (let n = 0; n < 3; n++) await node.look();
      assert.deepEqual([node.ends, node.client.events], [['lost'], []]);
    });
  }
});

test('a node that is there and not heard is waited for', async (t) => {
  const { ends, take, look, alive } = await start(t);
  alive.add('c');
  take('c');
  for (let n = 0; n < 3; n++) await look();
  assert.deepEqual(ends, []);
  alive.delete('c');
  await look();
  assert.deepEqual(ends, ['lost']);
});
