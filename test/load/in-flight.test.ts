import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { Gateway } from '../support/gateway.ts';
import { listNames } from '../support/lists.ts';
import { Random } from '../support/random.ts';
import { type RawAnswer, RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { echoStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';
import { assertNothingLeft, type Census, difference, startObserved, takeCensus } from './census.ts';
import { HoldingServer } from './holding-server.ts';
import { inLanes } from './lanes.ts';

/** Calls that wait for the test all at once. */
const HELD = 1000;

/** Calls beside them that the process answers at once: it cannot be told from here when to answer. */
const PASSING = 200;

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

  /** What lived in the gateway when nothing was under way. */
  let atRest: Census | undefined;

  /** What the process has been told in all. */
  let cancelledOnStdio = 0;

  it('are each answered, cancelled or lost for themselves, and leave nothing behind', async (t) => {
    await round(0);
    const before = await takeCensus(gateway);
    for (let seed = 1; seed <= ROUNDS; seed++) await round(seed);
    atRest = await assertNothingLeft(gateway, before);
    t.diagnostic(difference(before, atRest));
  });

  it('end with their session', async (t) => {
    const before = atRest ?? (await takeCensus(gateway));
    const random = new Random(ROUNDS + 1);
    const calls = Array.from({ length: HELD }, (_, number) => planHeld(random, `end-${number}`));
    await withSession(async (client) => {
      const outcomes = await launch(client, calls);
      assert.equal((await client.delete()).status, 204);
      for (const [index, outcome] of (await Promise.all(outcomes)).entries()) {
        assert.equal(outcome.message?.result, undefined);
        assert.equal(outcome.message?.id ?? calls[index]!.id, calls[index]!.id);
      }
      await until(async () => (await inFlight()) === 0, { what: 'the end of all calls' });
      await until(() => json.held + sse.held === 0, { what: 'the servers to have heard of it' });
    });
    const now = await assertNothingLeft(gateway, before);
    t.diagnostic(difference(before, now));
  });

  async function round(seed: number): Promise<void> {
    const random = new Random(seed);
    const calls = [
      ...Array.from({ length: HELD }, (_, number) => planHeld(random, `${seed}-${number}`)),
      ...Array.from({ length: PASSING }, (_, number) => planPassing(random, `${seed}-passing-${number}`)),
    ];
    await withSession(async (client) => {
      const settled = Promise.allSettled(await launch(client, calls));
      await inLanes(random.shuffled(calls), 20, (call) => meetFate(client, call));
      for (const [index, outcome] of (await settled).entries()) check(calls[index]!, outcome);
      await until(async () => (await inFlight()) === 0, { what: 'the end of all calls', timeoutMs: 60_000 });
      await checkServers(client, calls);
      assert.equal((await client.delete()).status, 204);
    });
  }

  async function withSession(action: (client: RawClient) => Promise<void>): Promise<void> {
    const client = new RawClient(gateway.mcpUrl);
    try {
      await client.initialize();
      const needed = ['json__work', 'sse__work', 'stdio__hold'];
      const isThere = async () =>
        (await listNames(client)).filter((name) => needed.includes(name)).length === needed.length;
      await until(isThere, { what: 'the tools of all servers' });
      await action(client);
    } finally {
      client.close();
      for (const { server } of [json, sse]) server.dropConnections();
      json.forget();
      sse.forget();
    }
  }

  /** Sends them all at once, and waits until each is where it waits. An array, so that nobody waits for the answers. */
  async function launch(client: RawClient, calls: readonly Call[]): Promise<Promise<RawAnswer>[]> {
    const outcomes = calls.map((call) => start(client, call));
    // Whoever gets them looks at each.
    for (const outcome of outcomes) outcome.catch(() => {});
    const elsewhere = calls.filter(({ server }) => server !== 'stdio').length;
    const isHeld = async () => json.held + sse.held === elsewhere && (await inFlight()) === HELD;
    await until(isHeld, { what: 'all calls to wait', timeoutMs: 60_000 });
    return outcomes;
  }

  function planHeld(random: Random, id: string): Call {
    const server = random.choose({ json: 2, sse: 2, stdio: 1 });
    const fate: Fate =
      server === 'stdio'
        ? 'cancelled'
        : random.choose({ answered: 10, cancelled: 3, lost: 4, 'lost and cancelled': 1, raced: 2 });
    return {
      id,
      server,
      fate,
      payload: payload(random, id),
      wantsProgress: server !== 'stdio' && random.below(3) === 0,
      connection: new AbortController(),
    };
  }

  function planPassing(random: Random, id: string): Call {
    const fate: Fate = random.choose({ answered: 4, lost: 1 });
    const rest = { payload: payload(random, id), wantsProgress: false, connection: new AbortController() };
    return { id, server: 'stdio', fate, ...rest };
  }

  /** Some are large enough to be passed on in pieces. */
  function payload(random: Random, id: string): string {
    return `${id} ${'x'.repeat(random.below(20) === 0 ? random.below(200_000) : random.below(200))}`;
  }

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
      { what: 'the process to have heard of all cancellations', timeoutMs: 60_000 },
    );
  }
});
