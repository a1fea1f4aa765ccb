import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { after, before, describe, it, type TestContext } from 'node:test';
import { parse as parseYaml } from 'yaml';
import { type Cluster, startCluster } from '../support/cluster.ts';
import { CountingServer } from '../support/counting-http.ts';
import { toolText } from '../support/marked-server.ts';
import { ModernClient } from '../support/modern-client.ts';
import { OtlpReceiver, type ReceivedSpan } from '../support/otlp-receiver.ts';
import { parentOf } from '../support/processes.ts';
import { metricsIn } from '../support/promql.ts';
import { RawClient } from '../support/raw-client.ts';
import { textOf } from '../support/rpc.ts';
import { echoStdio } from '../support/stdio-commands.ts';
import { until } from '../support/wait.ts';

const SERVER = 2;
const CLIENT = 3;
const PARENT_SPAN = 'b7ad6b7169203331';

let lastTrace = 0;

/** A trace that a client has begun. */
function newTrace(flags = '01') {
  const traceId = `0af7651916cd43dd8448eb21${String(++lastTrace).padStart(8, '0')}`;
  return { traceId, traceparent: `00-${traceId}-${PARENT_SPAN}-${flags}` };
}

describe('a trace of a call, through two nodes', () => {
  let receiver: OtlpReceiver;
  let http: CountingServer;
  let cluster: Cluster;
  /** At the node that runs the process, and at the other. */
  let near: RawClient;
  let far: RawClient;
  let farUrl = '';

  before(async () => {
    [receiver, http] = await Promise.all([OtlpReceiver.start(), CountingServer.start()]);
    const env = {
      ...receiver.env,
      OTEL_METRICS_EXPORTER: 'otlp',
      OTEL_METRIC_EXPORT_INTERVAL: '300',
      DRAGON_LIMITS: JSON.stringify({ rules: [{ name: 'none', tools: ['hold'], calls: 1, seconds: 3600 }] }),
      DRAGON_CATALOG_TTL_MS: '500',
    };
    cluster = await startCluster({ nodes: 2, env });
    await cluster.nodes[0]!.addServer({ name: 'p', stdio: echoStdio() });
    await cluster.nodes[0]!.addServer({ name: 'h', url: http.url });
    const clients = cluster.nodes.map(({ mcpUrl }) => new RawClient(mcpUrl));
    for (const client of clients) assert.equal((await client.initialize()).status, 200);
    const parent = parentOf(Number(await toolText(clients[0]!, 'p__pid')));
    const owner = cluster.nodes.findIndex((node) => node.process.pid === parent);
    assert.notEqual(owner, -1);
    near = clients[owner]!;
    far = clients[1 - owner]!;
    farUrl = cluster.nodes[1 - owner]!.mcpUrl;
  });

  after(async () => {
    near?.close();
    far?.close();
    await cluster?.stop();
    await http?.close();
    await receiver?.close();
  });

  const spansOf = (traceId: string, count: number): Promise<readonly ReceivedSpan[]> =>
    until(() => (receiver.of(traceId).length >= count ? receiver.of(traceId) : undefined), {
      what: `${count} spans`,
      timeoutMs: 20_000,
    });

  const metaSeen = async (client: RawClient, meta: Record<string, unknown>, headers = {}) => {
    const params = { name: 'p__meta', arguments: {}, _meta: meta };
    return JSON.parse(textOf((await client.request('tools/call', params, { headers })).message!));
  };

  it('is one tree: client, gateway, its call, the node with the process, the process', async () => {
    const { traceId, traceparent } = newTrace();
    const meta = { traceparent, tracestate: 'vendor=1', baggage: 'user=7', progressToken: 'mine' };
    const seen = await metaSeen(far, meta);
    const spans = await spansOf(traceId, 3);
    const asked = spans.find(({ parentSpanId }) => parentSpanId === PARENT_SPAN)!;
    const call = spans.find(({ parentSpanId }) => parentSpanId === asked.spanId)!;
    const forward = spans.find(({ parentSpanId }) => parentSpanId === call.spanId)!;
    assert.equal(spans.length, 3);
    assert.deepEqual(
      [asked, call, forward].map(({ name, kind }) => [name, kind]),
      [
        ['tools/call p__meta', SERVER],
        ['tools/call meta', CLIENT],
        ['forward tools/call', SERVER],
      ],
    );
    assert.equal(asked.node, call.node);
    assert.notEqual(forward.node, call.node);
    assert.equal(forward.attributes['dragon.forward.from'], call.node);
    // What the process got: the innermost span, and all else as the client said it.
    assert.equal(seen.traceparent, `00-${traceId}-${forward.spanId}-01`);
    assert.deepEqual([seen.tracestate, seen.baggage], ['vendor=1', 'user=7']);
    assert.ok(seen.progressToken !== undefined);
    assert.equal(asked.attributes['mcp.method.name'], 'tools/call');
    assert.equal(asked.attributes['gen_ai.tool.name'], 'p__meta');
    assert.equal(asked.attributes['gen_ai.operation.name'], 'execute_tool');
    assert.equal(asked.attributes['server'], 'p');
    assert.equal(call.attributes['gen_ai.tool.name'], 'meta');
    assert.equal(call.attributes['network.transport'], 'pipe');
    assert.ok(
      asked.attributes['mcp.session.id'] !== far.sessionId,
      'who reads traces cannot go on with sessions',
    );
  });

  it('is without the forward where the process is at hand, and taken from headers where _meta has none', async () => {
    const { traceId, traceparent } = newTrace();
    const seen = await metaSeen(near, {}, { traceparent, tracestate: 'a=1', baggage: 'b=2' });
    const spans = await spansOf(traceId, 2);
    assert.deepEqual(spans.map(({ name }) => name).sort(), ['tools/call meta', 'tools/call p__meta']);
    const call = spans.find(({ kind }) => kind === CLIENT)!;
    assert.deepEqual(seen, {
      traceparent: `00-${traceId}-${call.spanId}-01`,
      tracestate: 'a=1',
      baggage: 'b=2',
    });
  });

  it('is what _meta says where headers say something else', async () => {
    const [inHeader, inMeta] = [newTrace(), newTrace()];
    const headers = { traceparent: inHeader.traceparent };
    const seen = await metaSeen(near, { traceparent: inMeta.traceparent }, headers);
    assert.match(seen.traceparent, new RegExp(`^00-${inMeta.traceId}-`));
    await spansOf(inMeta.traceId, 2);
    assert.equal(receiver.of(inHeader.traceId).length, 0);
  });

  for (const era of ['legacy', 'modern'] as const)
    it(`goes to a server over HTTP in its headers and in _meta, from a client of the ${era} era`, async () => {
      const { traceId, traceparent } = newTrace();
      const modern = new ModernClient(farUrl);
      if (era === 'legacy') await far.callTool('h__echo', { text: 'x' }, { headers: { traceparent } });
      else await modern.callTool('h__echo', { text: 'x' }, { headers: { traceparent } });
      modern.close();
      const call = (await spansOf(traceId, 2)).find(({ kind }) => kind === CLIENT)!;
      const expected = `00-${traceId}-${call.spanId}-01`;
      const got = http.seen.filter(({ headers }) => headers['traceparent'] === expected);
      assert.equal(got.length, 1);
      assert.equal(JSON.parse(got[0]!.body).params._meta.traceparent, expected);
      assert.equal(call.attributes['server.address'], '127.0.0.1');
      assert.equal(call.attributes['server.port'], Number(new URL(http.url).port));
    });

  it('says what failed, and names nothing that a client made up', async () => {
    const { traceId, traceparent } = newTrace();
    await far.callTool('nobody__has_this', {}, { headers: { traceparent } });
    await far.request('made/up', {}, { headers: { traceparent } });
    const spans = await spansOf(traceId, 2);
    assert.deepEqual(spans.map(({ name }) => name).sort(), ['other', 'tools/call']);
    for (const { status, attributes } of spans) {
      assert.equal(status?.code, 2);
      assert.ok(attributes['error.type'] !== undefined);
    }
  });

  it('is not recorded where its client does not record it, and passes as it came', async () => {
    const { traceId, traceparent } = newTrace('00');
    const { traceId: later, traceparent: recorded } = newTrace();
    assert.deepEqual(await metaSeen(far, { traceparent }), { traceparent });
    await far.callTool('h__echo', { text: 'x' }, { headers: { traceparent } });
    assert.ok(http.seen.some(({ headers }) => headers['traceparent'] === traceparent));
    await metaSeen(far, { traceparent: recorded });
    await spansOf(later, 3);
    assert.equal(receiver.of(traceId).length, 0);
  });

  it('is begun for a client that has none', async () => {
    const seen = await metaSeen(far, {});
    const traceId = /^00-([\da-f]{32})-[\da-f]{16}-01$/.exec(seen.traceparent)?.[1];
    const spans = await spansOf(traceId!, 3);
    assert.equal(spans.filter(({ parentSpanId }) => !parentSpanId).length, 1);
  });

  it('comes beside metrics, by the names that conventions have', async () => {
    const wanted = ['mcp.server.operation.duration', 'dragon.sessions', 'dragon.forwards'];
    await until(() => wanted.every((name) => receiver.metrics.has(name)), { what: 'metrics' });
  });

  it('goes with metrics of which dashboards and alerts ask for none that nobody tells', async (t) => {
    const { asked, rules } = await expressions();
    assert.ok(asked.size > 30, String(asked.size));
    await produce(t);
    const missing = async () => {
      const pages = await Promise.all(
        cluster.nodes.map(async ({ opsUrl }) => (await fetch(`${opsUrl}/metrics`)).text()),
      );
      const told = new Set(pages.join('\n').match(/^[a-z_0-9]+(?=[{ ])/gm));
      return [...asked].filter((name) => name !== 'up' && !told.has(name));
    };
    await until(async () => (await missing()).length === 0, { what: 'all metrics' }).catch(async () =>
      assert.deepEqual(await missing(), []),
    );
    const runbook = await readFile(new URL('docs/runbook.md', ROOT), 'utf8');
    const sections = new Set(runbook.match(/^## .*$/gm)?.map((line) => `#${line.slice(3).toLowerCase()}`));
    for (const { alert, annotations } of rules) {
      const [file, section = ''] = annotations.runbook.split(/(?=#)/);
      assert.equal(file, 'docs/runbook.md');
      assert.ok(sections.has(section), `${alert}: ${section}`);
    }
  });

  /** What is told of once it happens: a limit, and a client that comes back. */
  async function produce(t: TestContext): Promise<void> {
    const client = new RawClient(cluster.nodes[0]!.mcpUrl);
    t.after(() => client.close());
    await client.initialize();
    const signal = AbortSignal.timeout(200);
    await client.callTool('h__hold', {}, { signal }).catch(() => undefined);
    const { message } = await client.callTool('h__hold');
    assert.match(message?.error?.message ?? '', /limit/);
    const stream = await client.stream({ lastEventId: 'g_0' });
    stream.close();
  }
});

const ROOT = new URL('../../', import.meta.url);

interface Rule {
  readonly alert: string;
  readonly expr: string;
  readonly annotations: { readonly runbook: string };
}

/** All that dashboards and alerts ask Prometheus for. */
async function expressions(): Promise<{
  readonly asked: ReadonlySet<string>;
  readonly rules: readonly Rule[];
}> {
  const folder = new URL('deploy/grafana/', ROOT);
  const text = await readFile(new URL('alerts.yaml', folder), 'utf8');
  const { groups } = parseYaml(text) as { readonly groups: readonly { readonly rules: readonly Rule[] }[] };
  const rules = groups.flatMap(({ rules }) => rules);
  const asked = new Set(rules.flatMap(({ expr }) => [...metricsIn(expr)]));
  for (const name of await readdir(new URL('dashboards/', folder))) {
    const dashboard = JSON.parse(await readFile(new URL(`dashboards/${name}`, folder), 'utf8')) as {
      readonly panels: readonly {
        readonly title: string;
        readonly targets: readonly { readonly expr: string }[];
      }[];
    };
    assert.ok(dashboard.panels.length > 0, name);
    for (const { title, targets } of dashboard.panels) {
      assert.ok(targets.length > 0, `${name}: ${title}`);
      for (const { expr } of targets) for (const metric of metricsIn(expr)) asked.add(metric);
    }
  }
  return { asked, rules };
}
