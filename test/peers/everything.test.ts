import { after, before, describe, it, type TestContext } from 'node:test';
import { Gateway, type NewServer } from '../support/gateway.ts';
import {
  nothingLeftOut,
  sameHello,
  sameLists,
  samePrompt,
  sameResource,
  sameTemplate,
  sameTool,
} from './everything.ts';
import { sameLogging, sameRoots, sameSubscriptions } from './everything-live.ts';
import { sameCancellation, sameTasks, startTasks } from './everything-tasks.ts';
import { Pair } from './pair.ts';
import { ABLE } from './react.ts';
import { realServer, startEverything } from './real-servers.ts';
import { httpWire, type OpenWire, sseWire, stdioWire } from './wire.ts';

/** These change what the server does from then on; each has a test of its own. */
const TOGGLES = ['toggle-simulated-logging', 'toggle-subscriber-updates'];

const HELLO = {
  protocolVersion: '2025-11-25',
  capabilities: ABLE,
  clientInfo: { name: 'peers', version: '1' },
};

/** Two servers of each kind, one for each way: what a session of one does must not show in the other. */
const TRANSPORTS: Readonly<Record<string, (closing: Closing) => Promise<readonly [OpenWire, NewServer]>>> = {
  stdio: async () => [stdioWire(realServer('everything')), { name: 'real', stdio: realServer('everything') }],
  'HTTP+SSE': async (closing) => {
    const [one, other] = await startTwo(closing, 'sse');
    return [sseWire(one), { name: 'real', url: other }];
  },
  'Streamable HTTP': async (closing) => {
    const [one, other] = await startTwo(closing, 'streamableHttp');
    return [httpWire(one), { name: 'real', url: other }];
  },
};

/** What to close at the end of a test, the last first. */
type Closing = (() => Promise<unknown>)[];

async function startTwo(closing: Closing, transport: 'sse' | 'streamableHttp'): Promise<[string, string]> {
  const start = async () => {
    const server = await startEverything(transport);
    closing.push(() => server.close());
    return server.url;
  };
  return Promise.all([start(), start()]);
}

describe('server-everything through the gateway is what it is directly', () => {
  let gateway: Gateway;
  before(async () => {
    gateway = await Gateway.start({ env: { DRAGON_BUILTIN_TOOLS: 'off' } });
  });
  after(() => gateway?.stop());

  for (const transport of Object.keys(TRANSPORTS)) {
    it(`on ${transport}`, async (t) => {
      const pair = await openPair(t, transport);
      await t.test('capabilities and instructions', () => sameHello(pair));
      const everything = await sameLists(pair);
      const { tools, prompts, resources, resourceTemplates } = everything;
      // Tasks take their time, so they run beside the rest.
      const tasks = await startTasks(pair, tools);
      await t.test('cancellation of a task', () => sameCancellation(pair, tasks));
      await t.test('roots', () => sameRoots(pair));
      for (const tool of tools.filter(({ name }) => !TOGGLES.includes(name))) {
        await t.test(`tool ${tool.name}`, () => sameTool(pair, tool));
      }
      for (const prompt of prompts) await t.test(`prompt ${prompt.name}`, () => samePrompt(pair, prompt));
      for (const resource of resources) {
        await t.test(`resource ${resource.uri}`, () => sameResource(pair, resource));
      }
      for (const { uriTemplate } of resourceTemplates) {
        await t.test(`template ${uriTemplate}`, () => sameTemplate(pair, uriTemplate));
      }
      await t.test('subscriptions', () => sameSubscriptions(pair, resources));
      await t.test('logging', () => sameLogging(pair, resources));
      await t.test('tasks', () => sameTasks(pair, tasks));
      await t.test('and nothing is left out', () => nothingLeftOut(pair, everything));
    });
  }

  /** The names are the server's own, since it has no prefix: so it is the only one at a time. */
  async function openPair(t: TestContext, transport: string): Promise<Pair> {
    const closing: Closing = [];
    t.after(async () => {
      for (const close of closing.reverse()) await close();
    });
    const [direct, server] = await TRANSPORTS[transport]!(closing);
    const id = await gateway.addServer({ ...server, toolPrefix: '' });
    closing.push(() => gateway.manage('DeleteMcpServer', { server: { id } }));
    const pair = new Pair();
    await pair.connect(direct, httpWire(gateway.mcpUrl), HELLO);
    closing.push(() => pair.close());
    return pair;
  }
});
