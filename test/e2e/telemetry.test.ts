import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { CountingServer } from '../support/counting-http.ts';
import { Gateway } from '../support/gateway.ts';
import { ModernClient } from '../support/modern-client.ts';
import { RawClient } from '../support/raw-client.ts';

/** Value of a series by its whole name; undefined where there is none. */
function seriesValue(page: string, series: string): number | undefined {
  const line = page.split('\n').find((each) => each.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length));
}

describe('metrics of a gateway after traffic that is known', () => {
  let server: CountingServer;
  let gateway: Gateway;
  let page = '';

  before(async () => {
    server = await CountingServer.start();
    gateway = await Gateway.start({
      env: {
        DRAGON_BUILTIN_TOOLS: 'off',
        DRAGON_METRICS_MAX_TOOLS: '1',
        DRAGON_LIMITS: JSON.stringify({
          rules: [{ name: 'few', tools: ['slow'], calls: 1, seconds: 3600 }],
        }),
      },
    });
    await gateway.addServer({ name: 'one', url: server.url });
    const client = new RawClient(gateway.mcpUrl);
    const modern = new ModernClient(gateway.mcpUrl);
    await client.initialize();
    for (let call = 0; call < 3; call++) await client.callTool('one__echo', { text: 'x' });
    await modern.callTool('one__echo', { text: 'x' });
    // The bound is one tool.
    await client.callTool('one__slow', { steps: 0 });
    await client.callTool('one__slow', { steps: 0 });
    for (let made = 0; made < 20; made++) await client.callTool(`one__made_up_${made}`);
    for (let made = 0; made < 20; made++) await client.request(`made/up${made}`);
    await gateway.manage('ListMcpServers');
    await assert.rejects(gateway.manage('CreateMcpServer', { name: 'one', url: server.url }));
    page = await (await fetch(`${gateway.opsUrl}/metrics`)).text();
    client.close();
    modern.close();
  });

  after(async () => {
    await gateway?.stop();
    await server?.close();
  });

  const expected: readonly (readonly [series: string, value: number])[] = [
    ['dragon_requests_total{method="tools/call",face="legacy",outcome="ok"}', 4],
    ['dragon_requests_total{method="tools/call",face="legacy",outcome="limited"}', 1],
    ['dragon_requests_total{method="tools/call",face="legacy",outcome="error"}', 20],
    ['dragon_requests_total{method="tools/call",face="modern",outcome="ok"}', 1],
    ['dragon_requests_total{method="other",face="legacy",outcome="error"}', 20],
    ['dragon_requests_total{method="CreateMcpServer",face="management",outcome="ok"}', 1],
    ['dragon_requests_total{method="CreateMcpServer",face="management",outcome="error"}', 1],
    ['mcp_server_operation_duration_seconds_count{mcp_method_name="tools/call",face="legacy"}', 4],
    [
      'mcp_server_operation_duration_seconds_count{mcp_method_name="other",face="legacy",error_type="error"}',
      20,
    ],
    [
      'mcp_client_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="echo",server="one"}',
      4,
    ],
    [
      'mcp_client_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="other",server="one"}',
      1,
    ],
    ['rpc_server_call_duration_seconds_count{rpc_method="CreateMcpServer",rpc_system_name="connectrpc"}', 1],
    ['dragon_downstream_requests_total{server="one",outcome="ok"}', 5],
    ['dragon_limits_refused_total{limit="few"}', 1],
    ['dragon_downstream_breaker_state{server="one"}', 0],
    ['dragon_sessions', 1],
    ['dragon_requests_in_flight', 0],
  ];
  for (const [series, value] of expected)
    it(`${series} is ${value}`, () => assert.equal(seriesValue(page, series), value, page));

  it('what the gateway itself takes is less than the whole, and counted for each request', () => {
    const overhead = 'dragon_request_overhead_seconds';
    const count = seriesValue(page, `${overhead}_count{face="legacy"}`) ?? 0;
    // Four that were answered, one over its limit, and forty that nobody had to be asked for.
    assert.equal(count, 45);
    const sum = seriesValue(page, `${overhead}_sum{face="modern"}`) ?? Number.NaN;
    const whole = seriesValue(
      page,
      'mcp_server_operation_duration_seconds_sum{mcp_method_name="tools/call",face="modern"}',
    );
    assert.ok(sum > 0 && sum < whole!, `${sum} of ${whole}`);
  });

  it('tells of the database, of lists and of the process', () => {
    assert.ok(
      seriesValue(page, 'db_client_operation_duration_seconds_count{db_system_name="postgresql"}')! > 0,
    );
    assert.ok(seriesValue(page, 'dragon_catalog_age_seconds{server="one"}')! >= 0);
    assert.ok(seriesValue(page, 'v8js_memory_heap_used_bytes')! > 0);
  });

  it('passes a trace context on as it came, though nothing is traced', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const headers = { traceparent, tracestate: 'a=1', baggage: 'k=v' };
    const client = new RawClient(gateway.mcpUrl);
    await client.initialize();
    const params = { name: 'one__echo', arguments: { text: 'y' }, _meta: { traceparent: 'whatever it is' } };
    await client.request('tools/call', params, { headers });
    client.close();
    const seen = server.seen.find(({ body }) => body.includes('"y"'));
    for (const [name, value] of Object.entries(headers)) assert.equal(seen?.headers[name], value);
    assert.deepEqual(JSON.parse(seen!.body).params._meta, { traceparent: 'whatever it is' });
  });

  it('says nothing that only a client has said', () => assert.doesNotMatch(page, /made.up/));
});
