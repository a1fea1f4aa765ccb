import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { turns } from '../../test/support/fakes.ts';
import { type Condition, Connection, type StreamNode, streamNodes } from '../../test/support/stream-nodes.ts';
import { virtualTimers } from '../../test/support/virtual-timers.ts';

const NODES = 3;

/** A client that connects wherever it is told to, and remembers the last event that it saw. */
class Client {
  readonly heard: string[] = [];
  #lastEventId: string | undefined;
  #open: { readonly connection: Connection; readonly at: StreamNode } | undefined;
  #taken = 0;

  /** Where the node says that the client should come back later, it does not. */
  async connect(at: StreamNode): Promise<void> {
    this.close();
    const connection = new Connection();
    this.#taken = 0;
    this.#open = { connection, at };
    await at.connect(connection, this.#lastEventId, true).catch(() => {
      this.#open = undefined;
    });
  }

  close(): void {
    this.hear();
    this.#open?.at.stream.detach(this.#open.connection);
    this.#open = undefined;
  }

  /** What is written from now on gets lost; the node does not know. */
  break(): void {
    this.hear();
    if (this.#open !== undefined) this.#open.connection.isBroken = true;
  }

  /** Whether it hears what is written. */
  get hears(): boolean {
    return this.#open !== undefined && !this.#open.connection.isBroken && this.#open.connection.ended === 0;
  }

  hear(): void {
    if (this.#open === undefined) return;
    const { events } = this.#open.connection;
    for (const { id, data } of events.slice(this.#taken)) {
      this.#lastEventId = id;
      if (data !== '') this.heard.push(data);
    }
    this.#taken = events.length;
  }
}

const node = fc.nat({ max: NODES - 1 });
const condition = fc.constantFrom<Condition>('away', 'deaf', 'late');
const step = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('say' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('send' as const), node }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('connect' as const), node }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('break' as const) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('close' as const) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant('lose' as const), node, condition }) },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant('heal' as const), node }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('arrive' as const), node }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant('crash' as const), node }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constant('pause' as const), ms: fc.constantFrom(0, 0, 0, 2000) }),
  },
);

test('whatever moves, hangs, breaks or dies, a client hears everything once and in order', async (t) => {
  const timers = virtualTimers(t);
  /** Lets everything happen that can within this time. */
  const pass = async (ms: number) => {
    await turns();
    for (let left = ms; left > 0; left -= 500) {
      timers.pass(500);
      await turns();
    }
  };
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 60 }), async (steps) => {
      const { nodes, server, revive, close } = await streamNodes(NODES);
      const client = new Client();
      await client.connect(nodes[0]);
      await turns();
      const sent: string[][] = [[], [], []];
      /** What nodes had to say that have died, which may be lost with them. */
      const lost = new Set<string>();
      const send = (place: number) => {
        const text = `node ${place} ${sent[place]!.length + 1}`;
        sent[place]!.push(text);
        nodes[place]!.stream.send(text);
      };
      for (const action of steps) {
        if (action.kind === 'say') server.say();
        else if (action.kind === 'send') send(action.node);
        else if (action.kind === 'connect') await client.connect(nodes[action.node]!);
        else if (action.kind === 'break') client.break();
        else if (action.kind === 'close') client.close();
        else if (action.kind === 'lose') nodes[action.node]!.log.condition = action.condition;
        else if (action.kind === 'heal') nodes[action.node]!.heal();
        else if (action.kind === 'arrive') await nodes[action.node]!.log.arrive();
        else if (action.kind === 'pause') await pass(action.ms);
        else {
          await nodes[action.node]!.crash();
          revive(action.node);
          for (const text of sent[action.node]!) lost.add(text);
        }
        client.hear();
      }
      for (const each of nodes) each.heal();
      await pass(1000);
      for (const each of nodes) await each.log.arrive();
      await pass(1000);
      client.hear();
      if (!client.hears) await client.connect(nodes[1]!);
      server.say();
      await pass(5000);
      client.hear();

      const { heard } = client;
      assert.equal(new Set(heard).size, heard.length, `twice: ${heard}`);
      assert.deepEqual(
        heard.filter((text) => text.startsWith('said')),
        server.said,
      );
      for (const [place, texts] of sent.entries()) {
        const own = heard.filter((text) => text.startsWith(`node ${place}`));
        const expected = texts.filter((text) => own.includes(text) || !lost.has(text));
        assert.deepEqual(own, expected);
      }
      await close();
    }),
    { numRuns: 150 },
  );
});
