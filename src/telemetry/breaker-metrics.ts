import type { Attributes, Meter } from '@opentelemetry/api';
import type { Labels } from './labels.ts';
import type { Gauges } from './types.ts';

/** The larger, the worse. */
const LEVELS = { closed: 0, 'half-open': 1, open: 2 } as const;

/** How many servers are left alone, and which. Servers that share a label are told of by the worst of them. */
export function observeBreakers(
  meter: Meter,
  labels: Labels<{ readonly attributes: Attributes }>,
  breakers: () => ReturnType<Gauges['breakers']> | undefined,
): void {
  const notClosed = meter.createObservableGauge('dragon.downstream.breakers.not.closed', {
    description: 'Downstream servers whose circuit breaker is open or half-open',
  });
  const state = meter.createObservableGauge('dragon.downstream.breaker.state', {
    description: 'Circuit breaker of a downstream server: 0 closed, 1 half-open, 2 open',
  });
  // A series stays with its last value: what was told of a server that has gone since has to be taken back.
  const told = new Set<Attributes>();
  meter.addBatchObservableCallback(
    (result) => {
      const all = breakers();
      if (all === undefined) return;
      const worst = new Map<Attributes, number>([...told].map((label) => [label, LEVELS.closed]));
      let count = 0;
      for (const breaker of all) {
        const level = LEVELS[breaker.state];
        if (level > 0) count++;
        const label = labels.of(breaker.server).attributes;
        worst.set(label, Math.max(level, worst.get(label) ?? 0));
      }
      result.observe(notClosed, count);
      for (const [label, level] of worst) {
        told.add(label);
        result.observe(state, level, label);
      }
    },
    [notClosed, state],
  );
}
