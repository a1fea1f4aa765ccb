import { databaseError, unavailable } from './errors.ts';
import type { Engine, Orm } from './orm.ts';

/** Far more than any query here takes; a connection that has not answered by then is taken for dead. */
const DEADLINE_MS = 10_000;

/** A probe that waits longer is answered by its own deadline first. */
const PING_DEADLINE_MS = 2_000;

/**
 * Runs queries. What they throw becomes a GatewayError: Unavailable where the database is away or does not answer in
 * ten seconds; a change may have been made all the same.
 */
export async function run<T>(engine: Engine, queries: (orm: Orm) => Promise<T>): Promise<T> {
  const startedAt = performance.now();
  let isOk = false;
  try {
    const found = await within(DEADLINE_MS, queries(engine.orm), () => engine.reset());
    isOk = true;
    return found;
  } catch (error) {
    throw databaseError(error);
  } finally {
    engine.observe?.('postgresql', (performance.now() - startedAt) / 1000, isOk);
  }
}

/** As {@link run}, for two seconds and without consequences: a busy database is not made to lose its connections. */
export async function probe(engine: Engine, query: (orm: Orm) => Promise<unknown>): Promise<void> {
  try {
    await within(PING_DEADLINE_MS, query(engine.orm), () => undefined);
  } catch (error) {
    throw databaseError(error);
  }
}

async function within<T>(deadlineMs: number, work: Promise<T>, whenLate: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(unavailable(new Error(`No answer within ${deadlineMs} ms`)));
      whenLate();
    }, deadlineMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
