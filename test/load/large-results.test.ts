import assert from 'node:assert/strict';
import { once } from 'node:events';
import { after, before, describe, it, type TestContext } from 'node:test';
import type { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { listNames } from '../support/lists.ts';
import { forgetPeak, peakMemory } from '../support/memory.ts';
import { startPostgres, type TestPostgres } from '../support/postgres.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';
import {
  FORMS,
  type LargeAnswer,
  openAnswer,
  readSlowly,
  startLargeServer,
  untilStuck,
} from './large-answers.ts';

const MEGABYTE = 1_000_000;
const MIB = 1024 * 1024;

/** What the gateway may take more, whatever the size of a result. */
const MAX_GROWTH = 20 * MEGABYTE;

/** What may be on its way between a server that writes and a client that does not read: mostly buffers of the kernel. */
const MAX_ON_ITS_WAY = 64 * MIB;

describe('results of 200 MB', () => {
  // The embedded database takes hundreds of megabytes and lets go of them later: nothing else could be seen.
  let postgres: TestPostgres;
  let large: CountingServer;
  let answers: readonly LargeAnswer[];
  const gateways: Gateway[] = [];

  before(async () => {
    [postgres, { server: large, answers }] = await Promise.all([startPostgres(), startLargeServer()]);
  });

  after(async () => {
    try {
      await Promise.all(gateways.map((gateway) => gateway.stop()));
    } finally {
      await large?.close();
      await postgres?.stop();
    }
  });

  async function start(env: Readonly<Record<string, string>> = {}): Promise<Gateway> {
    const limits = { DRAGON_MAX_DOWNSTREAM_MESSAGE_BYTES: String(256 * MIB) };
    const gateway = await Gateway.start({ env: { DATABASE_URL: postgres.url, ...limits, ...env } });
    // All gateways have one database, so the first one's server is everyone's.
    if (gateways.push(gateway) === 1) await gateway.addServer({ name: 'large', url: large.url });
    return gateway;
  }

  async function connect(t: TestContext, gateway: Gateway): Promise<RawClient> {
    const client = new RawClient(gateway.mcpUrl);
    t.after(async () => {
      await client.delete();
      client.close();
    });
    await client.initialize();
    await until(async () => (await listNames(client)).includes('large__small'), { what: 'the tools' });
    await small(client);
    return client;
  }

  async function small(client: RawClient): Promise<void> {
    assert.equal(textOf((await client.callTool('large__small')).message!), 'small');
  }

  /** Makes it a gateway at work: the young generation of its heap has filled once, and the code it runs is compiled. */
  async function warmUp(client: RawClient): Promise<void> {
    const lane = async () => {
      for (let call = 0; call < 100; call++) await small(client);
    };
    await Promise.all(Array.from({ length: 20 }, lane));
  }

  for (const form of FORMS) {
    it(`stream through to a slow client: ${form}`, async (t) => {
      const gateway = await start();
      const client = await connect(t, gateway);
      await warmUp(client);
      const before = await forgetPeak(gateway.process.pid!);
      const response = await openAnswer(client, `large__${form}`, form);
      const answer = answers.at(-1)!;
      await readSlowly(response, form, () => untilStuck(answer));
      const growth = (await peakMemory(gateway.process.pid!)) - before;
      t.diagnostic(`${form}: grew by ${(growth / MEGABYTE).toFixed(1)} MB`);
      assert.ok(growth < MAX_GROWTH, `grew by ${growth} bytes`);
      await until(() => answer.isOver, { what: 'the end of the answer' });
    });
  }

  for (const form of FORMS) {
    it(`stop with a client that stops reading, and are let go of with it: ${form}`, async (t) => {
      const gateway = gateways[0] ?? (await start());
      const [client, other] = [await connect(t, gateway), await connect(t, gateway)];
      const before = await forgetPeak(gateway.process.pid!);
      const response = await openAnswer(client, `large__${form}`, form);
      const answer = answers.at(-1)!;
      await untilStuck(answer);
      for (let call = 0; call < 100; call++) {
        await small(other);
        if (call % 10 === 0) await small(client);
      }
      assert.ok(!answer.isOver);
      assert.ok(answer.written < MAX_ON_ITS_WAY, `${answer.written} bytes`);
      const growth = (await peakMemory(gateway.process.pid!)) - before;
      t.diagnostic(
        `${form}: ${(answer.written / MIB).toFixed(1)} MiB were written and not read; the gateway grew by ${(growth / MEGABYTE).toFixed(1)} MB`,
      );
      assert.ok(growth < MAX_GROWTH, `grew by ${growth} bytes`);
      response.destroy();
      await until(() => answer.isOver, { what: 'the end of the answer' });
      await small(client);
      await small(other);
    });
  }

  it('are not held against the server when a client never reads them', async (t) => {
    const breaker = { DRAGON_CALL_TIMEOUT_MS: '3000', DRAGON_BREAKER_FAILURES: String(FORMS.length) };
    const gateway = await start(breaker);
    const [client, other] = [await connect(t, gateway), await connect(t, gateway)];
    const calls = FORMS.map(async (form) => {
      const response = await openAnswer(client, `large__${form}`, form);
      return { response, cut: once(response, 'error') };
    });
    const responses = await Promise.all(calls);
    const unread = answers.slice(-FORMS.length);
    await until(() => unread.every(({ isOver }) => isOver), { what: 'the calls to be given up' });
    await small(other);
    for (const { response, cut } of responses) {
      response.resume();
      await cut;
    }
    await small(client);
  });
});
