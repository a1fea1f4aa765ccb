import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import type { Gateway } from '../support/gateway.ts';
import { listNames } from '../support/lists.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import { assertNothingLeft, startObserved, takeCensus } from './census.ts';
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

  before(async () => {
    [gateway, json, sse] = await Promise.all([
      startObserved(),
      CountingServer.start({ answers: 'json' }),
      CountingServer.start({ answers: 'sse' }),
    ]);
    await gateway.addServer({ name: 'json', url: json.url });
    await gateway.addServer({ name: 'sse', url: sse.url });
  });

  after(async () => {
    try {
      await gateway?.stop();
    } finally {
      await Promise.all([json?.close(), sse?.close()]);
    }
  });

  async function open(): Promise<RawClient> {
    const client = new RawClient(gateway.mcpUrl);
    assert.equal((await client.initialize()).status, 200);
    return client;
  }

  async function end(client: RawClient): Promise<void> {
    assert.equal((await client.delete()).status, 204);
    client.close();
  }

  async function connect(t: TestContext): Promise<RawClient> {
    const client = await open();
    t.after(() => end(client));
    await until(
      async () => {
        const names = await listNames(client);
        return names.includes('json__echo') && names.includes('sse__echo');
      },
      { what: 'the tools of both servers' },
    );
    return client;
  }

  async function call(client: RawClient, server: 'json' | 'sse', payload: string): Promise<void> {
    const { message } = await client.callTool(`${server}__echo`, { text: payload });
    assert.equal(textOf(message!), payload);
  }

  it(`${CALLS} calls, one after the other`, async (t) => {
    const client = await connect(t);
    // What a stream has carried is kept for a minute, for a client that comes back; it goes with its session.
    const calls = async (count: number) => {
      const streaming = await open();
      await Promise.all([
        inLanes(numbers(count / 2), 1, (number) => call(client, 'json', `json ${number}`)),
        inLanes(numbers(count / 2), 1, (number) => call(streaming, 'sse', `sse ${number}`)),
      ]);
      await end(streaming);
    };
    await calls(WARM_UP);
    const before = await takeCensus(gateway);
    await calls(CALLS);
    const now = await assertNothingLeft(gateway, before);
    t.diagnostic(
      `heap ${before.heapUsed} → ${now.heapUsed} bytes, resources ${before.resources} → ${now.resources}`,
    );
  });

  it(`${SESSIONS} sessions, opened and ended`, async (t) => {
    await connect(t);
    const sessions = (count: number) =>
      inLanes(numbers(count), 10, async (number) => {
        const client = await open();
        await call(client, 'json', `json ${number}`);
        await call(client, 'sse', `sse ${number}`);
        await end(client);
      });
    await sessions(WARM_UP);
    const before = await takeCensus(gateway);
    const opened = json.sessionsOpened;
    const closed = json.sessionsClosed;
    await sessions(SESSIONS);
    await until(() => json.sessionsClosed - closed === SESSIONS, {
      what: 'the end of the sessions downstream',
    });
    assert.equal(json.sessionsOpened - opened, SESSIONS);
    const now = await assertNothingLeft(gateway, before);
    t.diagnostic(
      `heap ${before.heapUsed} → ${now.heapUsed} bytes, resources ${before.resources} → ${now.resources}`,
    );
  });

  it(`${STREAMS} GET streams, opened and closed`, async (t) => {
    const clients = await Promise.all(numbers(4).map(() => connect(t)));
    const streams = (count: number) =>
      Promise.all(
        clients.map(async (client) => {
          await call(client, 'json', 'there is somebody to listen to');
          for (let stream = 0; stream < count / clients.length; stream++) {
            const opened = await client.stream();
            assert.equal(opened.status, 200);
            opened.close();
          }
        }),
      );
    const ended = () =>
      until(async () => /^dragon_streams 0$/m.test(await (await fetch(`${gateway.opsUrl}/metrics`)).text()), {
        what: 'the end of all streams',
      });
    await streams(WARM_UP);
    await ended();
    const before = await takeCensus(gateway);
    await streams(STREAMS);
    await ended();
    const now = await assertNothingLeft(gateway, before);
    t.diagnostic(
      `heap ${before.heapUsed} → ${now.heapUsed} bytes, resources ${before.resources} → ${now.resources}`,
    );
  });
});
