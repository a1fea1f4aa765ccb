import type { Labels } from './labels.ts';
import type { Tallies } from './tallies.ts';
import type { Gauges } from './types.ts';

/** The larger, the worse. */
const LEVELS = { closed: 0, 'half-open': 1, open: 2 } as const;

/** How well each server is. Servers that share a label are told of by the worst of them. */
export function observeServers(tallies: Tallies, labels: Labels<string>, gauges: Partial<Gauges>): void {
  tallies.read(
    {
      name: 'dragon.downstream.breakers.not.closed',
      description: 'Downstream servers whose circuit breaker is open or half-open',
    },
    'gauge',
    () => {
      const all = gauges.breakers?.();
      return all === undefined ? [] : [[{}, [...all].filter(({ state }) => state !== 'closed').length]];
    },
  );
  const worst = function* (values: Iterable<readonly [server: string, value: number]>) {
    const byLabel = new Map<string, number>();
    for (const [name, value] of values) {
      const server = labels.of(name);
      byLabel.set(server, Math.max(value, byLabel.get(server) ?? 0));
    }
    for (const [server, value] of byLabel) yield [{ server }, value] as const;
  };
  tallies.read(
    {
      name: 'dragon.downstream.breaker.state',
      description: 'Circuit breaker of a downstream server: 0 closed, 1 half-open, 2 open',
    },
    'gauge',
    () => worst([...(gauges.breakers?.() ?? [])].map(({ server, state }) => [server, LEVELS[state]])),
  );
  tallies.read(
    {
      name: 'dragon.catalog.age',
      unit: 's',
      description:
        'Time since what a server lists was asked for, or read of another node: of the oldest in use',
    },
    'gauge',
    () => worst(gauges.catalogAges?.() ?? []),
  );
}
