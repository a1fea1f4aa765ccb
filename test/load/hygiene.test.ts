import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import type { Gateway } from '../support/gateway.ts';
import { listNames } from '../support/lists.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { assertNothingLeft, type Census, COMMON, difference, startObserved, takeCensus } from './census.ts';
import { inLanes } from './lanes.ts';

const CALLS = 10_000;
const SESSIONS = 1000;
const STREAMS = 1000;

/** Of each kind so many first, which fill caches and compile code. */
const WARM_UP = 100;

const numbers = (count: number) => Array.from({ length: count }, (_, number) => number);

describe('what comes and goes leaves nothing behind', () => {
  let gateway: Gateway;
  let json: CountingServer;
  let sse: CountingServer;
  /** Its session lasts as long as the tests. */
  let client: RawClient;
  let atRest: Census;

  before(async () => {
    [gateway, json, sse] = await Promise.all([
      // Sessions of the gateway’s own would be counted with those of clients.
      startObserved({ DRAGON_PROBE_INTERVAL_MS: '0' }),
      CountingServer.start({ answers: 'json' }),
      CountingServer.start({ answers: 'sse' }),
    ]);
    await gateway.addServer({ name: 'json', url: json.url });
    await gateway.addServer({ name: 'sse', url: sse.url });
    client = await open();
    const areThere = async () => {
      const names = await listNames(client);
      return names.includes('json__echo') && names.includes('sse__echo');
    };
    await until(areThere, { what: 'the tools of both servers' });
    await makeCalls(WARM_UP);
    await openSessions(WARM_UP);
    await openStreams(WARM_UP);
    atRest = await takeCensus(gateway);
  });

  after(async () => {
    client?.close();
    try {
      await gateway?.stop();
    } finally {
      await Promise.all([json?.close(), sse?.close()]);
    }
  });

  async function open(): Promise<RawClient> {
    const session = new RawClient(gateway.mcpUrl);
    assert.equal((await session.initialize()).status, 200);
    return session;
  }

  async function end(session: RawClient): Promise<void> {
    assert.equal((await session.delete()).status, 204);
    session.close();
  }

  async function call(client: RawClient, server: 'json' | 'sse', payload: string): Promise<void> {
    const { message } = await client.callTool(`${server}__echo`, { text: payload });
    assert.equal(textOf(message!), payload);
  }

  /** One after the other: most on a session that stays, the others on one whose server streams. */
  async function makeCalls(count: number, beforeEnd = async () => {}): Promise<void> {
    const streaming = await open();
    await Promise.all([
      inLanes(numbers(count * 0.7), 1, (number) => call(client, 'json', `json ${number}`)),
      inLanes(numbers(count * 0.3), 1, (number) => call(streaming, 'sse', `sse ${number}`)),
    ]);
    await beforeEnd();
    await end(streaming);
  }

  async function openSessions(count: number): Promise<void> {
    const closed = json.sessionsClosed;
    await inLanes(numbers(count), 10, async (number) => {
      const session = await open();
      await call(session, 'json', `json ${number}`);
      await call(session, 'sse', `sse ${number}`);
      await end(session);
    });
    await until(() => json.sessionsClosed - closed === count, { what: 'the end of the sessions downstream' });
  }

  async function openStreams(count: number): Promise<void> {
    await inLanes(numbers(count), 4, async () => {
      const stream = await client.stream();
      assert.equal(stream.status, 200);
      stream.close();
    });
    await until(
      async () => /^dragon_streams 0$/m.test(await (await fetch(`${gateway.opsUrl}/metrics`)).text()),
      { what: 'the end of all streams' },
    );
  }

  it(`${CALLS} calls, one after the other`, async (t) => {
    const before = atRest;
    // What streams have carried is kept for a minute, for clients that come back; the streams' connections are not.
    const kept = new Set([...COMMON, 'ClientStream']);
    await makeCalls(CALLS, async () => {
      t.diagnostic(difference(before, await assertNothingLeft(gateway, before, kept)));
    });
    atRest = await assertNothingLeft(gateway, before);
    t.diagnostic(difference(before, atRest));
  });

  it(`${SESSIONS} sessions, opened and ended`, async (t) => {
    const before = atRest;
    const opened = json.sessionsOpened;
    await openSessions(SESSIONS);
    assert.equal(json.sessionsOpened - opened, SESSIONS);
    atRest = await assertNothingLeft(gateway, before);
    t.diagnostic(difference(before, atRest));
  });

  it(`${STREAMS} GET streams, opened and closed`, async (t) => {
    const before = atRest;
    await openStreams(STREAMS);
    atRest = await assertNothingLeft(gateway, before);
    t.diagnostic(difference(before, atRest));
  });
});
