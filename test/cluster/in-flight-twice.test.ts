import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import type { RawClient } from '../support/raw-client.ts';
import { ResumableServer } from '../support/resumable-http.ts';
import { until } from '../support/wait.ts';
import { CallCluster, type Heard, Steps } from './steps.ts';

const streamOf = (eventId: string): string => eventId.slice(0, eventId.lastIndexOf('_'));

describe('calls of a node that was killed', () => {
  let nodes: CallCluster;
  /** Its answers cannot be resumed. */
  let plain: CountingServer;
  let resumable: ResumableServer;
  let client: RawClient;

  const kinds = {
    resumed: { server: 'resumable', steps: new Steps() },
    seen: { server: 'resumable', steps: new Steps() },
    unseen: { server: 'resumable', steps: new Steps() },
    reads: { server: 'plain', steps: new Steps() },
    'reads-twice': { server: 'plain', steps: new Steps() },
  };
  const { resumed, seen, unseen, reads, 'reads-twice': readsTwice } = kinds;
  const first: Record<string, Heard> = {};

  before(async () => {
    [nodes, plain, resumable] = await Promise.all([
      CallCluster.start(),
      CountingServer.start(),
      ResumableServer.start(),
    ]);
    plain.peer.tools = [];
    resumable.peer.tools = [];
    for (const [name, { server, steps }] of Object.entries(kinds)) {
      const { peer } = server === 'plain' ? plain : resumable;
      peer.tools = [...peer.tools, steps.tool(name, { readOnlyHint: server === 'plain' })];
      steps.allowed = 1;
    }
    const [node] = nodes.cluster.nodes;
    await node!.addServer({ name: 'plain', url: plain.url });
    await node!.addServer({ name: 'resumable', url: resumable.url });
    client = await nodes.session(0);
    for (const [name, { server }] of Object.entries(kinds)) {
      first[name] = await nodes.call(client, `${server}__${name}`, name);
      await first[name].step(1);
    }
    await nodes.noted(client, 2);
    await nodes.cluster.kill(0);
  });

  after(async () => {
    for (const { steps } of Object.values(kinds)) steps.allowed = 4;
    await nodes?.stop();
    await Promise.all([plain?.close(), resumable?.close()]);
  });

  const back = (place: number, name: string) => nodes.comeBack(place, client, first[name]!.lastEventId);

  it('are gone on with once, however many connections come back at once; one of them gets the rest', async () => {
    for (const [name, { steps }] of [
      ['resumed', resumed],
      ['reads', reads],
    ] as const) {
      const heard = await Promise.all([1, 2, 1, 2].map((place) => back(place, name)));
      // All are given the same stream, and nothing is said yet.
      await until(() => heard.every(({ lastEventId }) => lastEventId !== ''), {
        what: 'all to be there',
        timeoutMs: 60_000,
      });
      assert.equal(new Set(heard.map(({ lastEventId }) => streamOf(lastEventId))).size, 1);
      steps.allowed = 4;
      await until(() => heard.some(({ answer }) => answer), { what: 'the answer', timeoutMs: 60_000 });
      assert.deepEqual(
        heard.flatMap((each) => each.parts),
        [2, 3, 4, 'four steps'],
      );
    }
    assert.deepEqual(
      resumable.resumed.map(({ status }) => status),
      [200],
    );
    assert.deepEqual([resumed.steps.runs, reads.steps.runs], [1, 2]);
  });

  it('are gone on with by a third node where the second is killed as well', async () => {
    const second = await back(1, 'seen');
    const lost = await back(1, 'unseen');
    const again = await back(1, 'reads-twice');
    seen.steps.allowed = 2;
    await second.step(2);
    await Promise.all([lost, again].map((each) => each.until('an id', ({ lastEventId }) => lastEventId)));
    await until(() => readsTwice.steps.runs === 2, { what: 'the second run', timeoutMs: 60_000 });
    await nodes.cluster.kill(1);

    for (const { steps } of [seen, unseen, readsTwice]) steps.allowed = 4;
    const heard = await Promise.all([
      nodes.comeBack(2, client, second.lastEventId),
      // This client has heard nothing of the second node, and this one no more than where to come back to.
      back(2, 'unseen'),
      nodes.comeBack(2, client, again.lastEventId),
    ]);
    await Promise.all(heard.map((each) => each.answered()));
    assert.deepEqual(
      heard.map(({ parts }) => parts),
      [
        [3, 4, 'four steps'],
        [2, 3, 4, 'four steps'],
        [2, 3, 4, 'four steps'],
      ],
    );
    // Once more for each node that was lost, and only because it reads.
    assert.deepEqual(
      [seen, unseen, readsTwice].map(({ steps }) => steps.runs),
      [1, 1, 3],
    );
  });
});
