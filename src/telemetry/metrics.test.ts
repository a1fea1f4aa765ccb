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
    lineOf(text, `dragon_request_duration_seconds_bucket{method="tools/call",face="legacy",le="${le}"}`);
  assert.equal(bucket('0.0025').split(' ').at(-1), '0');
  assert.equal(bucket('0.005').split(' ').at(-1), '2');
  assert.equal(bucket('+Inf').split(' ').at(-1), '3');
  assert.match(text, /^target_info\{.*service_version="1\.2\.3".*service_instance_id="n1"/m);
});

test('downstream servers beyond the bound are counted together', async (context) => {
  const metrics = createMetrics({ version: '0', nodeId: 'n' });
  context.after(() => metrics.shutdown());
  for (let index = 0; index < 250; index += 1) metrics.downstream(`s${index}`, 'ok', 0.01);
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

test('breakers are told by server, the worst of those that share a label, and closed when their server has gone', async (context) => {
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
  assert.match(later, /^dragon_downstream_breaker_state\{server="b"\} 0$/m);
  breakers = Array.from({ length: 250 }, (_, n) => ({
    server: `s${n}`,
    state: n === 249 ? 'open' : 'closed',
  }));
  const many = await metrics.scrape();
  assert.equal(many.match(/^dragon_downstream_breaker_state/gm)?.length, 201);
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
  metrics.downstream('a"} 1\nevil_metric{x="', 'ok', 1);
  const text = await metrics.scrape();
  assert.doesNotMatch(text, /^evil_metric/m);
  for (const line of text.trimEnd().split('\n'))
    assert.match(line, /^(#|[a-zA-Z_][\w]*(\{.*\})? [-+\deE.NaInf]+$)/);
});
