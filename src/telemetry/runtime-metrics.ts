import { monitorEventLoopDelay } from 'node:perf_hooks';
import { getHeapStatistics } from 'node:v8';
import type { Meter } from '@opentelemetry/api';

const NANOSECONDS = 1e9;
const MICROSECONDS = 1e6;

/** Milliseconds between two samples of the event loop's delay. */
const SAMPLE_MS = 20;

/** The process itself, under the names of OpenTelemetry's conventions. The returned function ends the sampling. */
export function observeRuntime(meter: Meter): () => void {
  const delay = monitorEventLoopDelay({ resolution: SAMPLE_MS });
  delay.enable();
  const about = (description: string) => ({ unit: 's', description });
  const p50 = meter.createObservableGauge(
    'nodejs.eventloop.delay.p50',
    about('Median delay since the last scrape'),
  );
  const p99 = meter.createObservableGauge(
    'nodejs.eventloop.delay.p99',
    about('99th percentile since the last scrape'),
  );
  const max = meter.createObservableGauge(
    'nodejs.eventloop.delay.max',
    about('Longest delay since the last scrape'),
  );
  meter.addBatchObservableCallback(
    (result) => {
      // Sampled by a timer: what it counts beyond its own interval is the delay.
      const seconds = (nanoseconds: number) => Math.max(0, nanoseconds / NANOSECONDS - SAMPLE_MS / 1000);
      // A reset also forgets the last tick: with each scrape a quick scraper would keep it from ever counting.
      if (delay.count === 0) return;
      result.observe(p50, seconds(delay.percentile(50)));
      result.observe(p99, seconds(delay.percentile(99)));
      result.observe(max, seconds(delay.max));
      delay.reset();
    },
    [p50, p99, max],
  );

  const heapUsed = meter.createObservableGauge('v8js.memory.heap.used', {
    unit: 'By',
    description: 'Heap in use',
  });
  const heapLimit = meter.createObservableGauge('v8js.memory.heap.limit', {
    unit: 'By',
    description: 'Most that the heap may grow to',
  });
  const memory = meter.createObservableGauge('process.memory.usage', {
    unit: 'By',
    description: 'Resident memory of the process',
  });
  meter.addBatchObservableCallback(
    (result) => {
      const heap = getHeapStatistics();
      result.observe(heapUsed, heap.used_heap_size);
      result.observe(heapLimit, heap.heap_size_limit);
      result.observe(memory, process.memoryUsage.rss());
    },
    [heapUsed, heapLimit, memory],
  );

  meter
    .createObservableCounter('process.cpu.time', { unit: 's', description: 'Processor time used' })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage();
      result.observe(user / MICROSECONDS, { mode: 'user' });
      result.observe(system / MICROSECONDS, { mode: 'system' });
    });
  meter
    .createObservableGauge('process.uptime', { unit: 's', description: 'Time since the start' })
    .addCallback((result) => result.observe(process.uptime()));
  return () => delay.disable();
}
