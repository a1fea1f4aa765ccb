import type { Tallies } from './tallies.ts';
import type { Metrics, Store } from './types.ts';

/** Seconds: from a Redis beside to a database that is about to be given up. */
const BUCKETS = [0.000_25, 0.000_5, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5, 10];

/** How long what the gateway stands on takes to answer. */
export function storeMetrics(tallies: Tallies): Metrics['store'] {
  const times = tallies.histogram(
    {
      name: 'db.client.operation.duration',
      unit: 's',
      description: 'Time that Redis or the database was waited for',
    },
    BUCKETS,
  );
  const of = (system: Store) => {
    const attributes = { 'db.system.name': system };
    return { ok: times(attributes), failed: times({ ...attributes, 'error.type': 'error' }) };
  };
  const stores = { redis: of('redis'), postgresql: of('postgresql') };
  return (store, seconds, isOk) => stores[store][isOk ? 'ok' : 'failed'].record(seconds);
}
