import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Gateway } from '../support/gateway.ts';
import { listNames } from '../support/lists.ts';
import { type RawAnswer, RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { echoStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';
import { assertNothingLeft, startObserved, takeCensus } from './census.ts';
import { HoldingServer } from './holding-server.ts';
import { inLanes } from './lanes.ts';
import { Random } from './random.ts';

const CALLS = 1000;

/** After the first, which fills caches and compiles code. */
const ROUNDS = 2;

/** `lost`: its client drops the connection. `raced`: it is cancelled while it is answered. */
type Fate = 'answered' | 'cancelled' | 'lost' | 'lost and cancelled' | 'raced';

interface Call {
  readonly id: string;
  readonly server: 'json' | 'sse' | 'stdio';
  readonly fate: Fate;
  readonly payload: string;
  readonly wantsProgress: boolean;
  readonly connection: AbortController;
}

describe('1,000 calls in flight on one session', () => {
  let gateway: Gateway;
  let json: HoldingServer;
  let sse: HoldingServer;

  before(async () => {
    [gateway, json, sse] = await Promise.all([
      startObserved(),
      HoldingServer.start('json'),
      HoldingServer.start('sse'),
    ]);
    await gateway.addServer({ name: 'json', url: json.server.url });
    await gateway.addServer({ name: 'sse', url: sse.server.url });
    await gateway.addServer({ name: 'stdio', stdio: echoStdio() });
  });

  after(async () => {
    try {
      await gateway?.stop();
    } finally {
      await Promise.all([json?.server.close(), sse?.server.close()]);
    }
  });

  async function inFlight(): Promise<number> {
    const metrics = await (await fetch(`${gateway.opsUrl}/metrics`)).text();
    return Number(/^dragon_requests_in_flight (\d+)$/m.exec(metrics)?.[1]);
  }

  const holder = (call: Call) => (call.server === 'json' ? json : sse);

  /** What the process has been told in all. */
  let cancelledOnStdio = 0;

  it('are each answered, cancelled or lost for themselves, and leave nothing behind', async (t) => {
    await round(1);
    const before = await takeCensus(gateway);
    for (let seed = 2; seed < 2 + ROUNDS; seed++) {
      await round(seed);
      const now = await assertNothingLeft(gateway, before);
      t.diagnostic(
        `heap ${before.heapUsed} → ${now.heapUsed} bytes, resources ${before.resources} → ${now.resources}`,
      );
    }
  });

  async function round(seed: number): Promise<void> {
    const random = new Random(seed);
    const calls = Array.from({ length: CALLS }, (_, number) => plan(random, `${seed}-${number}`));
    const client = new RawClient(gateway.mcpUrl);
    try {
      await client.initialize();
      const needed = ['json__work', 'sse__work', 'stdio__hold'];
      await until(
        async () => (await listNames(client)).filter((name) => needed.includes(name)).length === 3,
        {
          what: 'the tools of all servers',
        },
      );
      const outcomes = calls.map((call) => start(client, call));
      const settled = Promise.allSettled(outcomes);
      const isHeld = (call: Call) => call.server !== 'stdio' || call.fate === 'cancelled';
      await until(async () => (await inFlight()) === calls.filter(isHeld).length, {
        what: 'all calls to be in flight',
        timeoutMs: 60_000,
      });
      await until(() => json.held + sse.held === calls.filter(({ server }) => server !== 'stdio').length, {
        what: 'all calls to have arrived',
        timeoutMs: 60_000,
      });
      await inLanes(random.shuffled(calls), 20, (call) => meetFate(client, call));
      for (const [index, outcome] of (await settled).entries()) check(calls[index]!, outcome);
      await until(async () => (await inFlight()) === 0, { what: 'the end of all calls', timeoutMs: 60_000 });
      await checkServers(client, calls);
      assert.equal((await client.delete()).status, 204);
    } finally {
      client.close();
      for (const { server } of [json, sse]) server.dropConnections();
      json.forget();
      sse.forget();
    }
  }

  function plan(random: Random, id: string): Call {
    const server = random.choose({ json: 1, sse: 1, stdio: 1 });
    const fate: Fate =
      server === 'stdio'
        ? random.choose({ answered: 6, lost: 1, cancelled: 3 })
        : random.choose({ answered: 10, cancelled: 4, lost: 3, 'lost and cancelled': 1, raced: 2 });
    const filler = 'x'.repeat(random.below(20) === 0 ? random.below(200_000) : random.below(200));
    const wantsProgress = server !== 'stdio' && random.below(3) === 0;
    return { id, server, fate, payload: `${id} ${filler}`, wantsProgress, connection: new AbortController() };
  }

  /** On the process what is to be cancelled is held, and the rest is answered at once. */
  function start(client: RawClient, call: Call): Promise<RawAnswer> {
    const { id, server, payload, wantsProgress, connection } = call;
    const tool = server !== 'stdio' ? 'work' : call.fate === 'cancelled' ? 'hold' : 'echo';
    const params = {
      name: `${server}__${tool}`,
      arguments: server === 'stdio' ? { text: payload } : { key: id, payload },
      ...(wantsProgress && { _meta: { progressToken: id } }),
    };
    return client.request('tools/call', params, { id, signal: connection.signal });
  }

  async function meetFate(client: RawClient, call: Call): Promise<void> {
    const cancel = () => client.notify('notifications/cancelled', { requestId: call.id, reason: 'enough' });
    const answer = () => call.server !== 'stdio' && holder(call).release(call.id);
    switch (call.fate) {
      case 'answered':
        answer();
        return;
      case 'cancelled':
        await cancel();
        return;
      case 'lost':
        call.connection.abort();
        answer();
        return;
      case 'lost and cancelled':
        call.connection.abort();
        await cancel();
        return;
      case 'raced':
        answer();
        await cancel();
        return;
    }
  }

  function check(call: Call, outcome: PromiseSettledResult<RawAnswer>): void {
    const what = `${call.server} ${call.fate}`;
    if (outcome.status === 'rejected') {
      // Of a large answer half may be out when it is cancelled: then only a broken connection can say so.
      assert.match(call.fate, /^(lost|raced)/, `${what}: ${outcome.reason}`);
      return;
    }
    const { message, messages } = outcome.value;
    for (const other of messages.filter((each) => each !== message)) {
      assert.equal(other.method, 'notifications/progress', what);
      assert.deepEqual(other.params, { progressToken: call.id, progress: 1, message: call.id }, what);
    }
    if (message !== undefined) assert.equal(message.id, call.id, what);
    if (message?.result !== undefined) {
      assert.doesNotMatch(call.fate, /cancelled/, what);
      assert.equal(textOf(message), call.payload, what);
    } else {
      assert.match(call.fate, /^(cancelled|raced)$/, what);
    }
    if (call.fate === 'answered') assert.equal(messages.length, call.wantsProgress ? 2 : 1, what);
  }

  async function checkServers(client: RawClient, calls: readonly Call[]): Promise<void> {
    const idsOf = (server: string, fate: RegExp) =>
      calls.filter((call) => call.server === server && fate.test(call.fate)).map(({ id }) => id);
    for (const [name, server] of [
      ['json', json],
      ['sse', sse],
    ] as const) {
      const raced = new Set<unknown>(idsOf(name, /raced/));
      const told = () => server.cancelled.filter((id) => !raced.has(id)).sort();
      const expected = idsOf(name, /cancelled/).sort();
      await until(() => server.held === 0 && told().length >= expected.length, {
        what: `${name} to have heard of all cancellations`,
      });
      assert.deepEqual(told(), expected, `what ${name} was told`);
      assert.equal(new Set(server.cancelled).size, server.cancelled.length, 'each once');
    }
    cancelledOnStdio += idsOf('stdio', /cancelled/).length;
    await until(
      async () => {
        const { message } = await client.callTool('stdio__calls');
        assert.deepEqual(message?.result.structuredContent, { held: 0, cancelled: cancelledOnStdio });
        return true;
      },
      { what: 'the process to have heard of all cancellations' },
    );
  }
});
