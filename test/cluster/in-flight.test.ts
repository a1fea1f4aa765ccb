import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, it } from 'node:test';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { CountingServer } from '../support/counting-http.ts';
import type { RawClient } from '../support/raw-client.ts';
import { ResumableServer } from '../support/resumable-http.ts';
import { isRequest, textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { CallCluster, type Heard, Steps } from './steps.ts';

describe('a client that comes back to another node for its call', () => {
  let nodes: CallCluster;
  /** Its answers cannot be resumed; they are streams, and JSON where there is nothing to say before. */
  let plain: CountingServer;
  let resumable: ResumableServer;
  let polling: ResumableServer;

  const steps = {
    plain: new Steps(),
    reads: new Steps(),
    sets: new Steps(),
    quiet: new Steps(),
    quietReads: new Steps(),
    resumed: new Steps(),
    cancelled: new Steps(),
    refused: new Steps(),
    refusedReads: new Steps(),
    polled: new Steps(),
  };
  const all = Object.values(steps);

  before(async () => {
    [nodes, plain, resumable, polling] = await Promise.all([
      CallCluster.start(),
      CountingServer.start(),
      ResumableServer.start(),
      ResumableServer.start({ polls: true }),
    ]);
    const [reads, sets] = [{ readOnlyHint: true }, { readOnlyHint: false, idempotentHint: true }];
    plain.peer.tools = [
      ...plain.peer.tools,
      steps.plain.tool('plain', { readOnlyHint: false, idempotentHint: false }),
      steps.reads.tool('reads', reads),
      steps.sets.tool('sets', sets),
      steps.quiet.tool('quiet'),
      steps.quietReads.tool('quiet-reads', reads),
    ];
    resumable.peer.tools = [
      steps.resumed.tool('steps'),
      steps.cancelled.tool('cancelled'),
      steps.refused.tool('refused'),
      steps.refusedReads.tool('refused-reads', reads),
    ];
    polling.peer.tools = [steps.polled.tool('steps')];
    const [node] = nodes.cluster.nodes;
    await node!.addServer({ name: 'plain', url: plain.url });
    await node!.addServer({ name: 'resumable', url: resumable.url });
    await node!.addServer({ name: 'polling', url: polling.url });
  });

  after(async () => {
    for (const each of all) each.allowed = 4;
    await nodes?.stop();
    await Promise.all([plain?.close(), resumable?.close(), polling?.close()]);
  });

  function reset(): void {
    for (const each of all) Object.assign(each, { allowed: 0, runs: 0, cancelled: 0 });
    resumable.forgets = false;
    resumable.resumed.length = 0;
  }

  describe('while the node that runs it lives', () => {
    beforeEach(reset);

    it('gets the rest of its answer there, each message once', async () => {
      const client = await nodes.session(0);
      steps.plain.allowed = 2;
      const first = await nodes.call(client, 'plain__plain', 'c');
      await first.step(2);
      client.close();
      steps.plain.allowed = 3;
      const second = await nodes.comeBack(1, client, first.lastEventId);
      await second.step(3);
      second.stream.close();
      steps.plain.allowed = 4;
      const third = await nodes.comeBack(2, client, second.lastEventId);
      await third.answered();
      const parts = [first, second, third].flatMap((part) => part.parts);
      assert.deepEqual(parts, [1, 2, 3, 4, 'four steps']);
      assert.equal(third.answer!.id, 'c');
      assert.equal(steps.plain.runs, 1);
    });

    it('gets an answer there that was complete before it came', async () => {
      const client = await nodes.session(0);
      steps.plain.allowed = 1;
      const first = await nodes.call(client, 'plain__plain', 'c');
      await first.step(1);
      client.close();
      steps.plain.allowed = 4;
      const second = await nodes.comeBack(1, client, first.lastEventId);
      await second.answered();
      assert.deepEqual(second.parts, [2, 3, 4, 'four steps']);
      await second.until('the end', ({ isOver }) => isOver);
      // Nothing is left: it is not to come back again and again.
      const third = await nodes.comeBack(2, client, second.lastEventId);
      await third.until('the end', ({ isOver }) => isOver);
      assert.deepEqual([third.messages, third.lastEventId], [[], '']);
    });

    it('is asked there, and answers there', async () => {
      const client = await nodes.session(0);
      const first = await nodes.call(client, 'plain__elicit', 'c');
      // The stream is primed: the client can come back though it has seen nothing.
      await first.until('an id', ({ lastEventId }) => lastEventId);
      client.close();
      const second = await nodes.comeBack(1, client, first.eventIds[0]!);
      await second.until('the question', ({ messages }) => messages.some(isRequest));
      const question = second.messages.find(isRequest)!;
      assert.equal(question.method, 'elicitation/create');
      const result = { action: 'accept', content: { answer: 'yes' } };
      assert.equal((await nodes.at(2, client).respond(question.id!, result)).status, 202);
      await second.answered();
      assert.deepEqual(JSON.parse(textOf(second.answer!)), result);
    });

    it('is refused an id that somebody has changed', async () => {
      const client = await nodes.session(0);
      for (const lastEventId of ['r1', 'r1.x.node_', `r1.ImMi.node_1~${'x'.repeat(2000)}`]) {
        assert.equal((await client.stream({ lastEventId })).status, 400, lastEventId);
      }
    });

    it('gets no more than one error for an id of a call that never was, or of another server', async () => {
      const client = await nodes.session(0);
      const forged = Buffer.from(JSON.stringify(['no-such-server', 'x.1', null])).toString('base64url');
      for (const position of ['', '~x', `~${forged}`]) {
        const heard = await nodes.comeBack(1, client, `r1.ImMi.no-such-node_1${position}`);
        await heard.until('the end', ({ isOver }) => isOver);
        assert.deepEqual(
          heard.messages.map(({ id, error }) => [id, error?.code]),
          [['c', -32000]],
        );
      }
      assert.deepEqual(await nodes.cluster.redis.call('HKEYS', `dragon:calls:{${client.sessionId}}`), []);
    });
  });

  describe('after the node that ran it was killed', () => {
    let client: RawClient;
    const calls: Record<string, Heard> = {};

    before(async () => {
      reset();
      client = await nodes.session(0);
      for (const each of all) each.allowed = 1;
      for (const each of [steps.quiet, steps.quietReads, steps.polled]) each.allowed = 0;
      calls['plain'] = await nodes.call(client, 'plain__plain', 'plain');
      calls['reads'] = await nodes.call(client, 'plain__reads', 'reads');
      calls['sets'] = await nodes.call(client, 'plain__sets', 'sets');
      calls['quiet'] = await nodes.call(client, 'plain__quiet', 'quiet', false);
      calls['quiet-reads'] = await nodes.call(client, 'plain__quiet-reads', 'quiet-reads', false);
      calls['resumed'] = await nodes.call(client, 'resumable__steps', 'resumed');
      calls['cancelled'] = await nodes.call(client, 'resumable__cancelled', 'cancelled');
      calls['refused'] = await nodes.call(client, 'resumable__refused', 'refused');
      calls['refused-reads'] = await nodes.call(client, 'resumable__refused-reads', 'refused-reads');
      calls['polled'] = await nodes.call(client, 'polling__steps', 'polled');
      for (const name of ['plain', 'reads', 'sets', 'resumed', 'cancelled', 'refused', 'refused-reads'])
        await calls[name]!.step(1);
      for (const name of ['quiet', 'quiet-reads'])
        await calls[name]!.until('an id', (each) => each.lastEventId);
      await calls['polled']!.until('an id that says where the server is', (each) =>
        each.lastEventId.includes('~'),
      );
      // Those that say that they may be run again, and no others.
      await nodes.noted(client, 4);
      await nodes.cluster.kill(0);
    });

    const back = (name: string, place = 1) => nodes.comeBack(place, client, calls[name]!.lastEventId);

    it('gets the rest of an answer that its server resumes, each message once', async () => {
      const heard = await back('resumed');
      steps.resumed.allowed = 4;
      await heard.answered();
      assert.deepEqual(heard.parts, [2, 3, 4, 'four steps']);
      assert.equal(heard.answer!.id, 'resumed');
      assert.equal(steps.resumed.runs, 1);
    });

    it('gets it from a server that has its clients ask again and again, though it had said nothing yet', async () => {
      const heard = await back('polled', 2);
      steps.polled.allowed = 4;
      await heard.answered();
      assert.deepEqual(heard.parts, [1, 2, 3, 4, 'four steps']);
      assert.equal(steps.polled.runs, 1);
    });

    it('can cancel it at a third node', async () => {
      const heard = await back('cancelled');
      steps.cancelled.allowed = 2;
      await heard.step(2);
      await nodes.at(2, client).notify('notifications/cancelled', { requestId: 'cancelled' });
      await heard.until('the end', ({ isOver }) => isOver);
      await until(() => steps.cancelled.cancelled === 1, { what: 'the server to be told' });
      assert.equal(heard.answer, undefined);
    });

    for (const name of ['reads', 'sets'] as const) {
      it(`gets the answer of a second run from a tool that ${name}, and progress that only rises`, async () => {
        const heard = await back(name, 2);
        await until(() => steps[name].runs === 2, { what: 'the second run', timeoutMs: 60_000 });
        // The first is told that nobody waits for it.
        await until(() => steps[name].cancelled === 1, { what: 'the end of the first run' });
        steps[name].allowed = 4;
        await heard.answered();
        assert.deepEqual(heard.parts, [2, 3, 4, 'four steps']);
        assert.equal(heard.answer!.id, name);
        assert.equal(steps[name].runs, 2);
      });
    }

    it('gets the answer of a second run, too, where nothing had come of the first', async () => {
      const heard = await back('quiet-reads');
      steps.quietReads.allowed = 4;
      await heard.answered();
      assert.deepEqual(heard.parts, ['four steps']);
      assert.equal(steps.quietReads.runs, 2);
    });

    it('gets one clear error from a tool that says nothing of a second run, which there is not', async () => {
      for (const name of ['plain', 'quiet'] as const) {
        const heard = await back(name);
        await heard.until('the end', ({ isOver }) => isOver);
        assert.equal(heard.messages.length, 1);
        assert.equal(heard.answer!.id, name);
        assert.match(heard.answer!.error!.message, /node .* outcome .* unknown/);
        assert.equal(steps[name].runs, 1);
      }
    });

    it('gets the same where its server does not resume the answer; what may be run again is', async () => {
      resumable.forgets = true;
      const [refused, reads] = [await back('refused'), await back('refused-reads', 2)];
      steps.refusedReads.allowed = 4;
      await Promise.all([refused.answered(), reads.answered()]);
      assert.match(refused.answer!.error!.message, /outcome .* unknown/);
      assert.equal(steps.refused.runs, 1);
      assert.deepEqual(reads.parts, [2, 3, 4, 'four steps']);
      assert.equal(steps.refusedReads.runs, 2);
    });

    it('leaves nothing noted, and goes on with its session', async () => {
      await nodes.noted(client, 0);
      const { message } = await nodes.at(2, client).callTool('plain__echo', { text: 'on' });
      assert.equal(textOf(message!), 'on');
    });
  });

  it('of the official library gets its answer without doing anything for it', async () => {
    reset();
    steps.resumed.allowed = 1;
    let token = '';
    const progress: number[] = [];
    const transport = new StreamableHTTPClientTransport(new URL(nodes.cluster.mcpUrl), {
      reconnectionOptions: {
        initialReconnectionDelay: 200,
        maxReconnectionDelay: 1000,
        reconnectionDelayGrowFactor: 1.5,
        maxRetries: 20,
      },
    });
    const client = new Client({ name: 'official', version: '1' });
    try {
      // Its declaration is not made for `exactOptionalPropertyTypes`.
      await client.connect(transport as Parameters<Client['connect']>[0]);
      const called = client.callTool({ name: 'resumable__steps', arguments: {} }, undefined, {
        timeout: 120_000,
        onprogress: (step) => progress.push(step.progress),
        onresumptiontoken: (each) => {
          token = each;
        },
      });
      await until(() => progress.length === 1, { what: 'the first step', timeoutMs: 60_000 });
      // Its event ids say which node it is.
      const place = Number(/\.node-(\d+)-\d+_/.exec(token)![1]) - 1;
      await nodes.cluster.kill(place);
      steps.resumed.allowed = 4;
      assert.deepEqual((await called).content, [{ type: 'text', text: 'four steps' }]);
      assert.deepEqual([progress, steps.resumed.runs], [[1, 2, 3, 4], 1]);
    } finally {
      await client.close();
    }
  });
});
