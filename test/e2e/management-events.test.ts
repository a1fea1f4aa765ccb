import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import type { MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import { Code, ConnectError, createClient, type Transport } from '@connectrpc/connect';
import {
  createConnectTransport,
  createGrpcTransport,
  createGrpcWebTransport,
} from '@connectrpc/connect-node';
import type { StoredEvent } from '../../src/events/event.ts';
import {
  type EventFilterSchema,
  Event_Outcome as Outcome,
  Event_Type as Type,
} from '../../src/gen/dragon/turnstile/api/v1/event_pb.ts';
import {
  VerifyEventLogResponse_Fault as Fault,
  TurnstileService,
} from '../../src/gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { storedEvent } from '../support/events.ts';
import { startManagement } from './management-start.ts';

const USER = { 'x-user': 'ann', 'x-role': 'user' };
const ADMIN = { 'x-user': 'boss', 'x-role': 'admin' };

async function started(context: TestContext) {
  const management = await startManagement(context);
  const transport = createConnectTransport({ baseUrl: management.url, httpVersion: '1.1' });
  const client = createClient(TurnstileService, transport);
  const get = async (
    filter: Parameters<typeof client.getEventLog>[0]['filter'],
    headers: Record<string, string>,
  ) => (await client.getEventLog({ ...(filter && { filter }) }, { headers })).events.map(({ id }) => id);
  return { ...management, client, get };
}

async function refused(work: Promise<unknown>): Promise<Code | undefined> {
  return work.then(
    () => undefined,
    (error) => ConnectError.from(error).code,
  );
}

test('an event is shown as it was', async (context) => {
  const { client, eventStore } = await started(context);
  const event = storedEvent({
    userId: 'ann',
    time: 1_700_000_000_123,
    outcome: 'timeout',
    session: 's',
    durationUs: 61_000_001,
    answerBytes: 5_000_000_000,
    detail: '{"arguments":{"city":"Rome"}}',
  });
  await eventStore.store([event]);
  const [shown] = (await client.getEventLog({}, { headers: USER })).events;
  assert.deepEqual(
    { ...shown, $typeName: undefined },
    {
      $typeName: undefined,
      id: event.id,
      time: timestampFromMs(event.time),
      type: Type.CALL,
      action: 'tools/call',
      outcome: Outcome.TIMEOUT,
      userId: 'ann',
      server: 'weather',
      tool: 'forecast',
      session: 's',
      node: 'node-1',
      duration: { $typeName: 'google.protobuf.Duration', seconds: 61n, nanos: 1000 },
      requestBytes: 100n,
      answerBytes: 5_000_000_000n,
      detail: { arguments: { city: 'Rome' } },
    },
  );
});

test('a user sees its own events, an admin those of its tenant, and nobody those of another', async (context) => {
  const { client, get, eventStore } = await started(context);
  const of = (more: Partial<StoredEvent>) => storedEvent({ time: 1000, ...more });
  const { userId: _, ...nobodys } = of({ type: 'node', action: 'joined' });
  const [ann, bob, foreign] = [
    of({ userId: 'ann' }),
    of({ userId: 'bob' }),
    of({ userId: 'ann', tenantId: 'x' }),
  ];
  await eventStore.store([ann, bob, foreign, nobodys]);
  assert.deepEqual(await get(undefined, USER), [ann.id]);
  assert.deepEqual(await get({ userId: 'ann' }, USER), [ann.id]);
  assert.deepEqual((await get(undefined, ADMIN)).sort(), [ann.id, bob.id, nobodys.id].sort());
  assert.deepEqual(await get({ userId: 'bob' }, ADMIN), [bob.id]);
  assert.equal(await refused(get({ userId: 'bob' }, USER)), Code.PermissionDenied);
  const following = client.followEventLog({ filter: { userId: 'bob' } }, { headers: USER });
  assert.equal(await refused(following[Symbol.asyncIterator]().next()), Code.PermissionDenied);
  assert.equal(await refused(client.verifyEventLog({}, { headers: USER })), Code.PermissionDenied);
});

test('filters are those that were asked for, and bad ones are refused by name', async (context) => {
  const { client, get, eventStore } = await started(context);
  const of = (more: Partial<StoredEvent>) => storedEvent({ userId: 'ann', time: 5000, ...more });
  const key = of({ type: 'key', action: 'created' });
  const slow = of({ outcome: 'timeout' });
  const maps = of({ server: 'maps', tool: 'route' });
  const early = of({ time: 1000 });
  await eventStore.store([key, slow, maps, early]);
  assert.deepEqual(await get({ type: Type.KEY }, USER), [key.id]);
  assert.deepEqual(await get({ outcome: Outcome.TIMEOUT }, USER), [slow.id]);
  assert.deepEqual(await get({ server: 'maps' }, USER), [maps.id]);
  assert.deepEqual(await get({ tool: 'route' }, USER), [maps.id]);
  assert.deepEqual(await get({ until: timestampFromMs(5000) }, USER), [early.id]);
  assert.equal((await get({ since: timestampFromMs(5000) }, USER)).length, 3);
  const wrong: MessageInitShape<typeof EventFilterSchema>[] = [
    { type: 99 as Type },
    { outcome: -1 as Outcome },
    { server: 'x'.repeat(600) },
  ];
  for (const filter of wrong) {
    await assert.rejects(client.getEventLog({ filter }, { headers: USER }), (error) => {
      assert.equal(ConnectError.from(error).code, Code.InvalidArgument);
      assert.match(ConnectError.from(error).rawMessage, /filter\.(type|outcome|server)/);
      return true;
    });
    const following = client.followEventLog({ filter }, { headers: USER });
    assert.equal(await refused(following[Symbol.asyncIterator]().next()), Code.InvalidArgument);
  }
});

test('pages follow one another', async (context) => {
  const { client, eventStore } = await started(context);
  const events = [1, 2, 3, 4, 5].map((time) => storedEvent({ userId: 'ann', time }));
  await eventStore.store(events);
  const seen: string[] = [];
  let pageToken = '';
  do {
    const page = await client.getEventLog({ pageSize: 2, pageToken }, { headers: USER });
    seen.push(...page.events.map(({ id }) => id));
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  assert.deepEqual(seen, events.map(({ id }) => id).reverse());
});

test('what the look at a chain finds is told', async (context) => {
  const { client, eventStore } = await started(context);
  eventStore.verification = { checked: 7, ordinal: 7, hash: 'abc' };
  const good = await client.verifyEventLog({}, { headers: ADMIN });
  assert.deepEqual([good.checked, good.last, good.hash, good.fault], [7n, 7n, 'abc', Fault.UNSPECIFIED]);
  eventStore.verification = {
    ...eventStore.verification,
    bad: { fault: 'edited', ordinal: 3, id: 'i', time: 5 },
  };
  const bad = await client.verifyEventLog({}, { headers: ADMIN });
  assert.deepEqual([bad.fault, bad.number, bad.id, bad.time], [Fault.EDITED, 3n, 'i', timestampFromMs(5)]);
});

const TRANSPORTS: Record<string, (baseUrl: string) => Transport> = {
  Connect: (baseUrl) => createConnectTransport({ baseUrl, httpVersion: '1.1' }),
  gRPC: (baseUrl) => createGrpcTransport({ baseUrl }),
  'gRPC-Web': (baseUrl) => createGrpcWebTransport({ baseUrl, httpVersion: '1.1' }),
};

for (const [protocol, transportTo] of Object.entries(TRANSPORTS)) {
  test(`${protocol}: who follows hears of what is stored from then on, until the server closes`, {
    timeout: 60_000,
  }, async (context) => {
    const { url, eventStore, close } = await started(context);
    const client = createClient(TurnstileService, transportTo(url));
    await eventStore.store([storedEvent({ userId: 'ann' })]);
    const responses = client.followEventLog({}, { headers: USER })[Symbol.asyncIterator]();
    assert.deepEqual((await responses.next()).value.events, []);
    const [mine, others] = [storedEvent({ userId: 'ann' }), storedEvent({ userId: 'bob' })];
    await eventStore.store([others, mine]);
    const heard: { id: string }[] = (await responses.next()).value.events;
    assert.deepEqual(
      heard.map(({ id }) => id),
      [mine.id],
    );
    const ended = responses.next();
    await close(5000);
    assert.equal((await ended).done, true);
  });
}

test('changes are told to the event log, with what they were about and without secrets', async (context) => {
  const { client, events } = await started(context);
  const target = { case: 'url', value: 'http://localhost:9/?key=s3cret-in-url' } as const;
  const headers = { authorization: 'Bearer s3cret-header' };
  await client.createMcpServer({ name: 'maps', target, headers }, { headers: USER });
  await refused(client.createMcpServer({ name: 'maps', target }, { headers: USER }));
  await refused(
    client.createMcpServer(
      { name: 'x', target: { case: 'stdio', value: { command: 'c' } } },
      { headers: USER },
    ),
  );
  const byName = { server: { ref: { case: 'name', value: 'maps' } } } as const;
  await client.deleteMcpServer(byName, { headers: USER });
  await client.listMcpServers({}, { headers: USER });
  await client.getEventLog({}, { headers: USER });
  await client.createApiKey({ name: 'k', userId: 'bob' }, { headers: ADMIN });
  const told = events.events.map(({ action, outcome, userId, server, detail }) => ({
    action,
    outcome,
    userId,
    server,
    ...detail,
  }));
  const ann = { userId: 'ann', server: undefined };
  assert.deepEqual(told, [
    { action: 'CreateMcpServer', outcome: 'ok', ...ann, name: 'maps' },
    { action: 'CreateMcpServer', outcome: 'error', ...ann, name: 'maps', code: 'AlreadyExists' },
    { action: 'CreateMcpServer', outcome: 'denied', ...ann, name: 'x', code: 'PermissionDenied' },
    { action: 'DeleteMcpServer', outcome: 'ok', userId: 'ann', server: 'maps' },
    { action: 'CreateApiKey', outcome: 'ok', userId: 'boss', server: undefined, name: 'k', user: 'bob' },
  ]);
  assert.doesNotMatch(JSON.stringify(events.events), /s3cret/);
});
