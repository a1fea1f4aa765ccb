import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { CountingServer } from './counting-http.ts';
import { RawClient } from './raw-client.ts';
import { notification, textOf } from './rpc.ts';
import { until } from './wait.ts';

describe('counting server and raw client', () => {
  let server: CountingServer;
  let client: RawClient;

  before(async () => {
    server = await CountingServer.start({ pageSize: 3 });
  });
  after(() => server.close());

  beforeEach(async () => {
    server.answers = 'json';
    client = new RawClient(server.url, { capabilities: { elicitation: {} } });
    assert.equal((await client.initialize()).status, 200);
  });

  afterEach(() => client.close());

  it('answers as JSON or as a stream', async () => {
    for (const answers of ['json', 'sse'] as const) {
      server.answers = answers;
      const answer = await client.callTool('echo', { text: 'hi' });
      assert.equal(textOf(answer.message!), 'hi');
      assert.equal(answer.events.length, answers === 'sse' ? 1 : 0);
    }
  });

  it('streams progress before the result, as far as it was asked for', async () => {
    const call = { name: 'slow', arguments: { steps: 2, stepMs: 1 }, _meta: { progressToken: 'p' } };
    const { messages } = await client.request('tools/call', call);
    assert.deepEqual(
      messages.map(({ params }) => params?.['progress']),
      [1, 2, undefined],
    );
  });

  it('asks the client in the middle of a call', async () => {
    const answer = await client.callTool(
      'elicit',
      {},
      {
        onMessage: async ({ id, method }) => {
          assert.equal(method, 'elicitation/create');
          assert.equal(
            (await client.respond(id!, { action: 'accept', content: { answer: 'yes' } })).status,
            202,
          );
        },
      },
    );
    assert.deepEqual(JSON.parse(textOf(answer.message!)), { action: 'accept', content: { answer: 'yes' } });
  });

  it('pages its lists', async () => {
    const first = (await client.request('tools/list')).message!.result;
    assert.equal(first.tools.length, 3);
    const second = (await client.request('tools/list', { cursor: first.nextCursor })).message!.result;
    assert.notEqual(second.tools[0].name, first.tools[0].name);
  });

  it('announces changes on the GET stream', async () => {
    const stream = await client.stream();
    assert.equal(stream.status, 200);
    const tools = server.peer.tools;
    server.setTools([{ name: 'new_one' }]);
    assert.deepEqual(await stream.next(), notification('notifications/tools/list_changed'));
    server.setTools(tools);
    stream.close();
    await until(() => server.openStreams === 0, { what: 'the stream to be closed' });
  });

  it('notices a cancelled call', async () => {
    const cancelled = server.peer.cancelled;
    const call = client.callTool('hold', {}, { id: 'held' });
    await until(() => server.peer.held === 1, { what: 'the call to be held' });
    await client.notify('notifications/cancelled', { requestId: 'held' });
    assert.equal((await call).message, undefined);
    assert.equal(server.peer.cancelled, cancelled + 1);
  });

  it('knows a session from its start to its end', async () => {
    const closed = server.sessionsClosed;
    assert.equal((await client.delete()).status, 200);
    assert.equal(server.sessionsClosed, closed + 1);
    assert.equal((await client.request('ping')).status, 404);
    client.sessionId = undefined;
    assert.equal((await client.request('ping')).status, 400);
  });

  it('answers 404 once its sessions have expired', async () => {
    server.expireSessions();
    assert.equal((await client.request('ping')).status, 404);
    assert.equal((await client.initialize()).status, 200);
  });
});
