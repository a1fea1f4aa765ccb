import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { BusMessage } from '../../src/coordination/bus.ts';
import type { Coordination } from '../../src/coordination/coordination.ts';
import { isUnavailable, uniqueId } from '../support/coordination.ts';
import { until } from '../support/wait.ts';
import type { MakeNode } from './coordination-contract.ts';

export function busContract(makeNode: MakeNode): void {
  describe('bus', () => {
    test('a message reaches the node it is for, and no other', async () => {
      const [a, b, c] = await three();
      const [toB, toC] = [inbox(b), inbox(c)];
      const message = { kind: 'test', text: 'é\n"', nested: { list: [1, null] } };
      assert.equal(await a.bus.send(b.nodeId, message), true);
      await until(() => toB.length === 1, { what: 'the message' });
      assert.deepEqual(toB, [{ message, from: a.nodeId }]);
      // A later one to the other node shows that the first did not go there.
      await a.bus.send(c.nodeId, { kind: 'test', last: true });
      await until(() => toC.length === 1, { what: 'the message' });
      assert.deepEqual(toC[0]?.message, { kind: 'test', last: true });
    });

    test('a node can send to itself', async () => {
      const [a] = await three();
      const received = inbox(a);
      assert.equal(await a.bus.send(a.nodeId, { kind: 'test' }), true);
      await until(() => received.length === 1, { what: 'the message' });
    });

    test('nobody listens for a node that is not there', async () => {
      const [a] = await three();
      assert.equal(await a.bus.send(uniqueId('nobody'), { kind: 'test' }), false);
    });

    test('nobody listens for a node that was closed, and it can send no more', async () => {
      const [a, b] = await three();
      const received = inbox(b);
      await b.close();
      await until(async () => !(await a.bus.send(b.nodeId, { kind: 'test' })), {
        what: 'the end of the node',
      });
      await assert.rejects(b.bus.send(a.nodeId, { kind: 'test' }), isUnavailable);
      await assert.rejects(b.bus.broadcast({ kind: 'test' }), isUnavailable);
      assert.deepEqual(received, []);
    });

    test('a broadcast reaches every other node', async () => {
      const [a, b, c] = await three();
      const [toA, toB, toC] = [inbox(a), inbox(b), inbox(c)];
      await a.bus.broadcast({ kind: 'test', n: 1 });
      await until(() => toB.length === 1 && toC.length === 1, { what: 'the broadcast' });
      // Channels are heard in order, so what came before on this one has come.
      await b.bus.broadcast({ kind: 'test', n: 2 });
      await until(() => toA.length > 0, { what: 'the second broadcast' });
      assert.deepEqual(
        toA.map(({ message }) => message['n']),
        [2],
      );
      assert.equal(toC[0]?.from, a.nodeId);
    });

    test('messages between two nodes stay in order', async () => {
      const [a, b] = await three();
      const received = inbox(b);
      await Promise.all(Array.from({ length: 200 }, (_, n) => a.bus.send(b.nodeId, { kind: 'test', n })));
      await until(() => received.length === 200, { what: 'all messages' });
      assert.deepEqual(
        received.map(({ message }) => message['n']),
        Array.from({ length: 200 }, (_, n) => n),
      );
    });

    test('a large message arrives whole', async () => {
      const [a, b] = await three();
      const received = inbox(b);
      const text = '€'.repeat(1_000_000);
      await a.bus.send(b.nodeId, { kind: 'test', text });
      await until(() => received.length === 1, { what: 'the message' });
      assert.ok(received[0]?.message['text'] === text);
    });

    test('a listener hears its kind, until it is taken off', async () => {
      const [a, b] = await three();
      const received = inbox(b);
      const heard: BusMessage[] = [];
      const off = b.bus.on('other', (message) => heard.push(message));
      await a.bus.send(b.nodeId, { kind: 'other', n: 1 });
      await until(() => heard.length === 1, { what: 'the message' });
      off();
      off();
      await a.bus.send(b.nodeId, { kind: 'other', n: 2 });
      await a.bus.send(b.nodeId, { kind: 'test' });
      await until(() => received.length === 1, { what: 'the last message' });
      assert.deepEqual(heard, [{ kind: 'other', n: 1 }]);
    });

    test('a listener that throws harms no other', async () => {
      const [a, b] = await three();
      b.bus.on('test', () => {
        throw new Error('of the test');
      });
      const received = inbox(b);
      await a.bus.send(b.nodeId, { kind: 'test', n: 1 });
      await a.bus.send(b.nodeId, { kind: 'test', n: 2 });
      await until(() => received.length === 2, { what: 'both messages' });
    });

    test('a message is not the object that was sent', async () => {
      const [a, b] = await three();
      const received = inbox(b);
      const list = [1];
      const sent = a.bus.send(b.nodeId, { kind: 'test', list });
      list.push(2);
      await sent;
      await until(() => received.length === 1, { what: 'the message' });
      assert.deepEqual(received[0]?.message['list'], [1]);
    });
  });

  describe('the connection to the others', () => {
    test('a node answers that it has one', async () => {
      const [a] = await three();
      await a.ping();
    });
  });

  async function three(): Promise<[Coordination, Coordination, Coordination]> {
    return [await makeNode(uniqueId('a')), await makeNode(uniqueId('b')), await makeNode(uniqueId('c'))];
  }
}

function inbox(node: Coordination) {
  const received: { message: BusMessage; from: string }[] = [];
  node.bus.on('test', (message, from) => received.push({ message, from }));
  return received;
}
