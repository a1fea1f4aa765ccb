import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reached } from './goals.ts';
import { curve, notes, page, tables } from './report.ts';
import { measureOf, sampleOf } from './samples.ts';

const CONDITIONS = {
  tools: 'load generator in C',
  pinning: 'pinned',
  rounds: 3,
  seconds: 2,
  warmupSeconds: 1,
  sessions: 100,
  manySessions: 1000,
  versions: ['nginx 1.2.3'],
};

const small = measureOf(
  {
    direct: [sampleOf(5000, 1, { loadCpu: 0.6, downstreamCpu: 0.4 })],
    'bare proxy': [sampleOf(1000, 1)],
    nginx: [sampleOf(2000, 0.5)],
    gateway: [sampleOf(1500, 0.625, { loadCpu: 0.2 })],
  },
  { id: 'calls JSON 100 B 64', what: 'JSON, 100 B' },
);
const large = measureOf(
  {
    'bare proxy': [sampleOf(100, 1)],
    gateway: [sampleOf(50, 1, { rssMb: 100 }), sampleOf(50, 1, { rssMb: 130 })],
  },
  { id: 'calls JSON 1 MB 16', what: 'JSON, 1 MB', connections: 16 },
);
const footprint = {
  ...{ id: 'memory stream', what: 'an idle session with an open stream', kb: { gateway: 9, nginx: 13.5 } },
  pairs: [['gateway', 'nginx']] as const,
};
const results = { measures: [small, large], footprints: [footprint] };

test('a table has ratios of calls a second and of calls a CPU second', () => {
  const text = tables(results);
  const row = /^\| JSON, 100 B, 64 connections \|.*$/m.exec(text)?.[0];
  assert.match(row ?? '', /^\| JSON, 100 B, 64 connections \| 1\.50, 1\.60 \| 0\.75, 0\.80 \| {2}\|/);
  assert.match(text, /\| an idle session with an open stream \| gateway \| nginx \| 0\.67 \|/);
});

test('a full core of the load generator is marked', () => {
  assert.match(tables(results), /\| JSON, 100 B, 64 connections \| 5,000 \* \| 1,000 \| 2,000 \| 1,500 \|/);
});

test('what is aimed at is judged by CPU time, and what was not measured is not judged', () => {
  const of = (what: string) =>
    reached(results).find((goal) => goal.what === what && goal.target === 'gateway');
  assert.deepEqual(of('JSON, 100 B, beside the bare proxy'), {
    what: 'JSON, 100 B, beside the bare proxy',
    target: 'gateway',
    limit: 'at least 1.25 ×',
    measured: '1.50 ×, by CPU 1.60 ×',
    isHeld: true,
  });
  // Half as many calls, but for the same CPU time each.
  assert.equal(of('JSON, 1 MB, beside the bare proxy')?.isHeld, true);
  assert.equal(of('memory under answers of 1 MB, last round beside the first')?.measured, '1.30 ×');
  assert.equal(of('memory under answers of 1 MB, last round beside the first')?.isHeld, false);
  assert.equal(of('an idle session with an open stream')?.isHeld, true);
  assert.equal(of('an idle session')?.isHeld, undefined);
  assert.doesNotMatch(tables(results), /\| an idle session \|/);
});

test('failures and disturbances are told', () => {
  assert.doesNotMatch(notes(results, CONDITIONS), /Failed|Disturbed/);
  const bad = measureOf({ gateway: [sampleOf(1, 1, { errors: 3, otherCpu: 0.5 })] });
  const text = notes({ measures: [bad], footprints: [] }, CONDITIONS);
  assert.match(text, /\*\*Failed:\*\* 3 of small, 64 connections, gateway\./);
  assert.match(text, /\*\*Disturbed:\*\* .* in small, 64 connections\./);
});

test('the page has tables, plot and conditions; the plot has no direct calls', () => {
  const text = page(results, CONDITIONS);
  assert.match(text, /^# Performance\n/);
  assert.match(text, /!\[[^\]]+\]\(performance\.svg\)/);
  assert.match(text, /Median of 3 rounds of 2 s each/);
  assert.match(text, /nginx 1\.2\.3/);
  const svg = curve(results);
  assert.match(svg ?? '', />gateway<\/text>/);
  assert.doesNotMatch(svg ?? '', />direct<\/text>/);
  assert.equal(curve({ measures: [large], footprints: [] }), undefined);
});
