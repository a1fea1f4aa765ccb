import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import postgres from 'postgres';
import { type Cluster, clientAt } from '../support/cluster.ts';
import { RawClient } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

/** What a cluster has to be started with for its calls to be found in its events. */
export const EVENT_ENV = { DRAGON_AUDIT_ARGUMENTS: 'full' };

/** Clients that call without end, each call with a mark of its own. */
export class MarkedLoad {
  /** Marks of calls whose answers have come. */
  readonly answered = new Set<string>();
  /** Marks of calls that came to nothing. */
  readonly lost = new Set<string>();
  readonly #clients: readonly RawClient[];
  readonly #pauseMs: number;
  #isStopped = false;
  #running: Promise<unknown> = Promise.resolve();

  private constructor(clients: readonly RawClient[], pauseMs: number) {
    this.#clients = clients;
    this.#pauseMs = pauseMs;
  }

  /** `pauseMs`: of each client, between two calls. */
  static async start(url: string, clients: number, pauseMs: number): Promise<MarkedLoad> {
    const opened = await Promise.all(
      Array.from({ length: clients }, async () => {
        const client = new RawClient(url);
        assert.equal((await client.initialize()).status, 200);
        return client;
      }),
    );
    const load = new MarkedLoad(opened, pauseMs);
    load.#running = Promise.all(opened.map((client, number) => load.#run(client, number)));
    return load;
  }

  /** Waits until so many more calls are answered. */
  async progress(count: number): Promise<void> {
    const goal = this.answered.size + count;
    await until(() => this.answered.size >= goal, { what: `${count} answers`, timeoutMs: 60_000 });
  }

  async stop(): Promise<void> {
    this.#isStopped = true;
    await this.#running;
    for (const client of this.#clients) client.close();
  }

  async #run(client: RawClient, number: number): Promise<void> {
    // One whose connection broke goes on with another.
    let current = client;
    for (let call = 0; !this.#isStopped; call++) {
      const message = `mark-${number}-${call}`;
      const isAnswered = await current.callTool('echo', { message }).then(
        ({ message: answer }) => JSON.stringify(answer?.result ?? '').includes(message),
        () => false,
      );
      (isAnswered ? this.answered : this.lost).add(message);
      if (!isAnswered) {
        current.close();
        current = clientAt(client.url, client);
      }
      await delay(this.#pauseMs);
    }
    current.close();
  }
}

export interface Reckoning {
  readonly answered: number;
  /** Events of calls. */
  readonly stored: number;
  /** Answered calls of which there is no event. */
  readonly missing: readonly string[];
  /** Calls of which there is more than one. */
  readonly twice: readonly string[];
  /** Calls that were not answered, though there is an event: their nodes died between the two. */
  readonly unanswered: readonly string[];
  readonly distinctIds: number;
}

/** Compares what clients have seen with what is in the database, once all events are there. */
export async function reckon(cluster: Cluster, load: MarkedLoad): Promise<Reckoning> {
  const sql = postgres(cluster.databaseUrl, { max: 1 });
  try {
    const read = async () => {
      const rows = await sql<{ id: string; detail: string }[]>`
        select id, detail from dragon.events where type = 'call'`;
      const counts = new Map<string, number>();
      for (const { detail } of rows) {
        const mark = String(JSON.parse(detail).arguments.message);
        counts.set(mark, (counts.get(mark) ?? 0) + 1);
      }
      return { rows, counts };
    };
    const missingOf = (counts: ReadonlyMap<string, number>) =>
      [...load.answered].filter((mark) => !counts.has(mark));
    await until(async () => missingOf((await read()).counts).length === 0, {
      what: 'the events of all answered calls',
      timeoutMs: 60_000,
    }).catch(() => undefined);
    const { rows, counts } = await read();
    return {
      answered: load.answered.size,
      stored: rows.length,
      missing: missingOf(counts),
      twice: [...counts].filter(([, count]) => count > 1).map(([mark]) => mark),
      unanswered: [...load.lost].filter((mark) => counts.has(mark)),
      distinctIds: new Set(rows.map(({ id }) => id)).size,
    };
  } finally {
    await sql.end();
  }
}

/** Throws unless each answered call has one event, and every other event is of a call that broke off. */
export function assertExact({ answered, stored, missing, twice, unanswered, distinctIds }: Reckoning): void {
  assert.deepEqual(missing, [], 'answered calls without an event');
  assert.deepEqual(twice, [], 'calls with two events');
  assert.equal(distinctIds, stored);
  assert.equal(stored, answered + unanswered.length);
}
