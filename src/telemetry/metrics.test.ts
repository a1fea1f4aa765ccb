import assert from 'node:assert/strict';
import { test } from 'node:test';
import { until } from '../../test/support/wait.ts';
import { createMetrics } from './metrics.ts';

function lineOf(text: string, start: string): string {
  const found = text.split('\n').filter((line) => line.startsWith(start));
  assert.equal(found.length, 1, `${found.length} lines start with ${start}`);
  return found[0]!;
}

test('requests are counted by method, era and outcome, and timed by method and era', async (context) => {
  const metrics = createMetrics({ version: '1.2.3', nodeId: 'n1' });
  context.after(() => metrics.shutdown());
  metrics.request('tools/call', 'ok', 0.003);
  metrics.request('tools/call', 'ok', 0.004);
  metrics.request('tools/call', 'tool_error', 2);
  metrics.request('made/up', 'error', 0.1);
  metrics.request('tools/call', 'ok', 0.003, 'modern');
  const text = await metrics.scrape();
  assert.equal(
    lineOf(text, 'dragon_requests_total{method="tools/call",face="legacy",outcome="ok"}').split(' ').at(-1),
    '2',
  );
  assert.equal(
    lineOf(text, 'dragon_requests_total{method="tools/call",face="legacy",outcome="tool_error"}')
      .split(' ')
      .at(-1),
    '1',
  );
  assert.equal(
    lineOf(text, 'dragon_requests_total{method="other",face="legacy",outcome="error"}').split(' ').at(-1),
    '1',
  );
  assert.equal(
    lineOf(text, 'dragon_requests_total{method="tools/call",face="modern",outcome="ok"}').split(' ').at(-1),
    '1',
  );
  const bucket = (le: string) =>
    lineOf(
      text,
      `mcp_server_operation_duration_seconds_bucket{mcp_method_name="tools/call",face="legacy",le="${le}"}`,
    );
  assert.equal(bucket('0.0025').split(' ').at(-1), '0');
  assert.equal(bucket('0.005').split(' ').at(-1), '2');
  assert.equal(bucket('+Inf').split(' ').at(-1), '2');
  const failed = 'mcp_server_operation_duration_seconds_sum';
  const labels = 'mcp_method_name="tools/call",face="legacy",error_type="tool_error"';
  assert.equal(lineOf(text, `${failed}{${labels}}`).split(' ').at(-1), '2');
  assert.match(text, /^target_info\{.*service_version="1\.2\.3".*service_instance_id="n1"/m);
});

test('downstream servers beyond the bound are counted together', async (context) => {
  const metrics = createMetrics({ version: '0', nodeId: 'n' });
  context.after(() => metrics.shutdown());
  for (let index = 0; index < 250; index += 1) metrics.downstream(`s${index}`, 'ok', 0.01, 'tools/call', 't');
  const text = await metrics.scrape();
  assert.equal(
    lineOf(text, 'dragon_downstream_requests_total{server="other",outcome="ok"}').split(' ').at(-1),
    '50',
  );
  assert.equal(text.match(/^dragon_downstream_requests_total/gm)?.length, 201);
});

test('gauges are read when scraped, and left out until there is something to read', async (context) => {
  const metrics = createMetrics({ version: '0', nodeId: 'n' });
  context.after(() => metrics.shutdown());
  assert.doesNotMatch(await metrics.scrape(), /^dragon_sessions /m);
  let sessions = 3;
  metrics.observe({ sessions: () => sessions, streams: () => 2, inFlight: () => 7 });
  metrics.observe({ stdioProcesses: () => 1 });
  assert.match(await metrics.scrape(), /^dragon_sessions 3$/m);
  sessions = 5;
  const text = await metrics.scrape();
  assert.match(text, /^dragon_sessions 5$/m);
  assert.match(text, /^dragon_streams 2$/m);
  assert.match(text, /^dragon_requests_in_flight 7$/m);
  assert.match(text, /^dragon_stdio_processes 1$/m);
});

test('breakers are told by server, the worst of those that share a label, and no more when their server has gone', async (context) => {
  const metrics = createMetrics({ version: '0', nodeId: 'n' });
  context.after(() => metrics.shutdown());
  assert.doesNotMatch(await metrics.scrape(), /^dragon_downstream_breaker/m);
  let breakers: { server: string; state: 'closed' | 'half-open' | 'open' }[] = [
    { server: 'a', state: 'closed' },
    { server: 'b', state: 'open' },
    { server: 'b', state: 'half-open' },
  ];
  metrics.observe({ breakers: () => breakers });
  const text = await metrics.scrape();
  assert.match(text, /^dragon_downstream_breakers_not_closed 2$/m);
  assert.match(text, /^dragon_downstream_breaker_state\{server="a"\} 0$/m);
  assert.match(text, /^dragon_downstream_breaker_state\{server="b"\} 2$/m);
  breakers = [{ server: 'a', state: 'half-open' }];
  const later = await metrics.scrape();
  assert.match(later, /^dragon_downstream_breakers_not_closed 1$/m);
  assert.match(later, /^dragon_downstream_breaker_state\{server="a"\} 1$/m);
  assert.doesNotMatch(later, /server="b"/);
  breakers = Array.from({ length: 250 }, (_, n) => ({
    server: `s${n}`,
    state: n === 249 ? 'open' : 'closed',
  }));
  const many = await metrics.scrape();
  assert.equal(many.match(/^dragon_downstream_breaker_state/gm)?.length, 199);
  assert.match(many, /^dragon_downstream_breaker_state\{server="other"\} 2$/m);
});

test('the process tells its delay, memory and processor time', async (context) => {
  const metrics = createMetrics({ version: '0', nodeId: 'n' });
  context.after(() => metrics.shutdown());
  const text = await metrics.scrape();
  assert.match(text, /^v8js_memory_heap_used_bytes [1-9]/m);
  assert.match(text, /^v8js_memory_heap_limit_bytes [1-9]/m);
  assert.match(text, /^process_memory_usage_bytes [1-9]/m);
  assert.match(text, /^process_cpu_time_seconds_total\{mode="user"\} \d/m);
  assert.match(text, /^process_uptime_seconds \d/m);
});

test('the delay of the event loop shows once it was sampled', async (context) => {
  const metrics = createMetrics({ version: '0', nodeId: 'n' });
  context.after(() => metrics.shutdown());
  const text = await until(
    async () => {
      const scraped = await metrics.scrape();
      return /^nodejs_eventloop_delay_p99_seconds [\d.e-]+$/m.test(scraped) ? scraped : undefined;
    },
    { what: 'a sample' },
  );
  assert.match(text, /^nodejs_eventloop_delay_max_seconds/m);
});

test('names from outside cannot break the format', async (context) => {
  const metrics = createMetrics({ version: '0', nodeId: 'n"\n' });
  context.after(() => metrics.shutdown());
  metrics.downstream('a"} 1\nevil_metric{x="', 'ok', 1, 'tools/call', 'b"} 1\nevil_metric{x="');
  const text = await metrics.scrape();
  assert.doesNotMatch(text, /^evil_metric/m);
  for (const line of text.trimEnd().split('\n'))
    assert.match(line, /^(#|[a-zA-Z_][\w]*(\{.*\})? [-+\deE.NaInf]+$)/);
});

test('ten thousand tools make no more series than there is room for', async (context) => {
  const bounds = { metricsMaxServers: 10, metricsMaxTools: 50 };
  const metrics = createMetrics({ version: '0', nodeId: 'n', ...bounds });
  context.after(() => metrics.shutdown());
  for (let index = 0; index < 10_000; index++)
    metrics.downstream(`s${index % 20}`, 'ok', 0.01, 'tools/call', `tool${index}`);
  const text = await metrics.scrape();
  const counts = text.match(/^mcp_client_operation_duration_seconds_count\{.*$/gm) ?? [];
  // Of ten servers that have a name and of those that share one: what there was no room for.
  assert.equal(counts.length, 50 + 11);
  const sum = counts.reduce((all, line) => all + Number(line.split(' ').at(-1)), 0);
  assert.equal(sum, 10_000);
  const others = counts.filter((line) => line.includes('gen_ai_tool_name="other"'));
  assert.equal(others.length, 11);
  const other = lineOf(
    text,
    'mcp_client_operation_duration_seconds_count{mcp_method_name="tools/call",gen_ai_tool_name="other",server="other"}',
  );
  assert.equal(other.split(' ').at(-1), '5000');
});

test('what is told of the rest has its unit in its name, and no series before there is something to tell', async (context) => {
  const metrics = createMetrics({ version: '0', nodeId: 'n' });
  context.after(() => metrics.shutdown());
  const before = await metrics.scrape();
  const names = [
    'dragon_request_overhead_seconds_bucket{face="modern",le="0.001"} 1',
    'rpc_server_call_duration_seconds_count{rpc_method="GetEventLog",rpc_system_name="connectrpc"} 1',
    'dragon_requests_total{method="GetEventLog",face="management",outcome="ok"} 1',
    'db_client_operation_duration_seconds_bucket{db_system_name="redis",le="0.0025"} 1',
    'db_client_operation_duration_seconds_count{db_system_name="postgresql",error_type="error"} 1',
    'dragon_limits_refused_total{limit="free plan"} 1',
    'dragon_stream_replays_total{stream="standalone"} 1',
    'dragon_catalog_age_seconds{server="a"} 12.5',
    'dragon_forwards_total{direction="sent"} 3',
    'dragon_events_backlog 7',
    'dragon_requests_refused_total{reason="node_full"} 2',
  ];
  for (const name of names) assert.ok(!before.includes(name.slice(0, name.indexOf('_total'))), name);
  metrics.overhead(0.0009, 'modern');
  metrics.management('GetEventLog', 'ok', 0.2);
  metrics.store('redis', 0.002, true);
  metrics.store('postgresql', 10, false);
  metrics.limited('free plan');
  metrics.replayed('standalone');
  metrics.repeated();
  metrics.observe({
    catalogAges: () => [
      ['a', 12.5],
      ['a', 3],
    ],
    forwards: () => [['sent', 3]],
    eventBacklog: () => 7,
    refused: () => [['node_full', 2]],
  });
  const lines = (await metrics.scrape()).split('\n');
  for (const name of [...names, 'dragon_calls_repeated_total 1']) assert.ok(lines.includes(name), name);
});
