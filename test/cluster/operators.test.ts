import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { markOf } from '../../src/coordination/session-mark.ts';
import { type Cluster, clientAt, startCluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import { listNames } from '../support/lists.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

interface Listed {
  readonly id: string;
  readonly nodes: readonly string[];
  readonly streamNode?: string;
  readonly streamCount?: number;
}

describe('what operators see and do on two nodes', () => {
  let cluster: Cluster;
  let server: CountingServer;

  before(async () => {
    [cluster, server] = await Promise.all([startCluster({ nodes: 2 }), CountingServer.start()]);
    await cluster.nodes[0]!.addServer({ name: 'one', url: server.url });
  });

  after(async () => {
    await cluster?.stop();
    await server?.close();
  });

  /** A session that both nodes have in hand. */
  async function session(): Promise<readonly [RawClient, RawClient]> {
    const first = new RawClient(cluster.nodes[0]!.mcpUrl);
    await first.initialize();
    const second = clientAt(cluster.nodes[1]!.mcpUrl, first);
    for (const client of [first, second]) {
      await until(async () => (await listNames(client)).includes('one__echo'), { what: 'the tool' });
    }
    return [first, second];
  }

  it('each node knows all nodes and all sessions, and ends one on all', async (t) => {
    const [first, second] = await session();
    t.after(() => {
      for (const client of [first, second]) client.close();
    });
    assert.equal((await first.callTool('one__echo', { text: 'hi' })).status, 200);
    const stream = await first.stream();
    const { nodes } = await cluster.nodes[1]!.manage('ListNodes');
    const shown = nodes as { readonly id: string; readonly state: string; readonly clockAheadMs?: string }[];
    assert.deepEqual(
      shown.map(({ id, state }) => [id, state]),
      [
        ['node-1-1', 'STATE_READY'],
        ['node-2-1', 'STATE_READY'],
      ],
    );
    assert.ok(shown.every(({ clockAheadMs }) => Math.abs(Number(clockAheadMs)) < 60_000));

    const mark = markOf(first.sessionId!);
    const listed = await until(
      async () => {
        const { sessions = [] } = await cluster.nodes[1]!.manage('ListSessions');
        return (sessions as Listed[]).find(({ id }) => id === mark);
      },
      { what: 'the session in the list' },
    );
    assert.deepEqual([...listed.nodes], ['node-1-1', 'node-2-1']);
    assert.deepEqual([listed.streamNode, listed.streamCount], ['node-1-1', 1]);

    const open = server.seen.filter(({ httpMethod }) => httpMethod === 'DELETE').length;
    await cluster.nodes[1]!.manage('EndSession', { id: mark });
    assert.equal(await stream.next(), undefined);
    for (const client of [first, second]) {
      await until(async () => (await client.callTool('one__echo', { text: 'x' })).status === 404, {
        what: 'the end of the session',
      });
    }
    await until(() => server.seen.filter(({ httpMethod }) => httpMethod === 'DELETE').length > open, {
      what: 'the end of the session with the server',
    });
    await assert.rejects(cluster.nodes[0]!.manage('EndSession', { id: mark }), /404/);
  });

  it('what a user does is recorded at both nodes, and read at either', async (t) => {
    const [first, second] = await session();
    t.after(async () => {
      await first.delete();
      for (const client of [first, second]) client.close();
    });
    const { recording } = await cluster.nodes[0]!.manage('StartRecording', {
      userId: 'local',
      duration: '60s',
    });
    const { id } = recording as { readonly id: string };
    const recorded = async () => {
      const { requests = [] } = await cluster.nodes[1]!.manage('GetRecording', { id });
      return requests as { readonly node: string; readonly request: string }[];
    };
    await until(
      async () => {
        await first.callTool('one__echo', { text: 'here' });
        await second.callTool('one__echo', { text: 'there' });
        return new Set((await recorded()).map(({ node }) => node)).size === 2;
      },
      { what: 'requests at both nodes' },
    );
    for (const { node, request } of await recorded())
      assert.match(request, node === 'node-1-1' ? /here/ : /there/);
    await cluster.nodes[1]!.manage('StopRecording', { id });
    const { recordings } = await cluster.nodes[0]!.manage('ListRecordings');
    assert.equal((recordings as unknown[]).length, 1);
    const settled = await until(
      async () => {
        const before = (await recorded()).length;
        await first.callTool('one__echo', { text: 'here' });
        await second.callTool('one__echo', { text: 'there' });
        return (await recorded()).length === before && before;
      },
      { what: 'the end of the recording' },
    );
    assert.ok(settled >= 2);
  });
});
