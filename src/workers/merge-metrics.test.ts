import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createMetrics } from '../telemetry/metrics.ts';
import { mergeMetrics } from './merge-metrics.ts';

const page = (value: number) => `# HELP up_total Times
# UNIT up_total s
# TYPE up_total counter
up_total ${value}
# HELP calls Calls of "things"
# TYPE calls histogram
calls_count{method="a b",x="}{\\"\\n"} ${value}
calls_bucket{method="a b",le="+Inf"} ${value} 1700000000
calls_empty{} ${value}
`;

test('series of all processes come with their label, and families together', () => {
  const merged = mergeMetrics([
    { worker: 'primary', text: page(1) },
    { worker: '2', text: page(2) },
  ]);
  assert.equal(
    merged,
    `# HELP up_total Times
# UNIT up_total s
# TYPE up_total counter
up_total{worker="primary"} 1
up_total{worker="2"} 2
# HELP calls Calls of "things"
# TYPE calls histogram
calls_count{worker="primary",method="a b",x="}{\\"\\n"} 1
calls_bucket{worker="primary",method="a b",le="+Inf"} 1 1700000000
calls_empty{worker="primary"} 1
calls_count{worker="2",method="a b",x="}{\\"\\n"} 2
calls_bucket{worker="2",method="a b",le="+Inf"} 2 1700000000
calls_empty{worker="2"} 2
`,
  );
});

test('what only one process has is there, and who has nothing to tell is left out', () => {
  const merged = mergeMetrics([
    { worker: 'primary', text: '# HELP none Nothing\n# TYPE none gauge\n' },
    { worker: '1', text: '' },
    { worker: '2', text: '# TYPE a gauge\na 1\n\nb 2\n' },
  ]);
  assert.equal(merged, '# TYPE a gauge\na{worker="2"} 1\nb{worker="2"} 2\n');
});

test('histograms and gauges of several processes stay whole: each family once, each series of each process', async (context) => {
  const processes = [1, 2].map((number) => {
    const metrics = createMetrics({ version: '1', nodeId: `n-${number}` });
    context.after(() => metrics.shutdown());
    metrics.observe({ sessions: () => number });
    for (let call = 0; call < number; call++) metrics.downstream('files', 'ok', 0.02, 'tools/call', 'read');
    return { worker: String(number), metrics };
  });
  const scraped = await Promise.all(
    processes.map(async ({ worker, metrics }) => ({ worker, text: await metrics.scrape() })),
  );
  const lines = mergeMetrics(scraped).split('\n');
  const name = 'mcp_client_operation_duration_seconds';
  assert.equal(lines.filter((line) => line === `# TYPE ${name} histogram`).length, 1);
  const start = lines.indexOf(`# TYPE ${name} histogram`) + 1;
  const end = lines.findIndex((line, index) => index > start && line.startsWith('#'));
  const family = lines.slice(start, end);
  assert.equal(family.length, lines.filter((line) => line.startsWith(name)).length, 'it stands together');
  const labels = 'mcp_method_name="tools/call",gen_ai_tool_name="read",server="files"';
  for (const worker of [1, 2]) {
    assert.ok(family.includes(`${name}_count{worker="${worker}",${labels}} ${worker}`));
    assert.ok(family.includes(`${name}_bucket{worker="${worker}",${labels},le="0.01"} 0`));
    assert.ok(family.includes(`${name}_bucket{worker="${worker}",${labels},le="+Inf"} ${worker}`));
    assert.ok(lines.includes(`dragon_sessions{worker="${worker}"} ${worker}`));
  }
});
