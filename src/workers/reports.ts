import { mergeMetrics } from './merge-metrics.ts';
import { WORKER } from './messages.ts';
import type { Worker } from './supervisor.ts';

interface Readiness {
  readonly ready: boolean;
  readonly reasons: readonly string[];
}

/** A worker that has not answered by then is told of as one that does not. */
const PATIENCE_MS = 2000;

/** Whether the gateway should get requests: where all workers should that serve. One that is started again is missed by nobody. */
export async function readinessOf(workers: readonly Worker[]): Promise<Readiness> {
  if (workers.length === 0) return { ready: false, reasons: ['no worker serves'] };
  const all = await Promise.all(
    workers.map(async (worker) => {
      const answer = await ask<Readiness>(worker, WORKER.readiness);
      const reasons = answer?.reasons ?? ['it does not answer'];
      return reasons.map((reason) => `worker ${worker.nodeId}: ${reason}`);
    }),
  );
  const reasons = all.flat();
  return { ready: reasons.length === 0, reasons };
}

/** Metrics of the primary and of all workers, as one page. One that does not answer is left out. */
export async function metricsOf(primary: string, workers: readonly Worker[]): Promise<string> {
  const scraped = await Promise.all(
    workers.map(async (worker) => ({
      worker: String(worker.number),
      text: (await ask<string>(worker, WORKER.scrape)) ?? '',
    })),
  );
  return mergeMetrics([{ worker: 'primary', text: primary }, ...scraped]);
}

/** What the first worker answers that does; undefined where none does. */
export async function askAny<T>(workers: readonly Worker[], name: string): Promise<T | undefined> {
  for (const worker of workers) {
    const answer = await ask<T>(worker, name);
    if (answer !== undefined) return answer;
  }
  return undefined;
}

async function ask<T>(worker: Worker, name: string): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), PATIENCE_MS);
  });
  try {
    return await Promise.race([worker.channel.call(name) as Promise<T>, late]);
  } catch {
    // It has gone, or cannot say: both are no answer.
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
