import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';
import { clientAt } from '../support/cluster.ts';
import { RawClient, type RawStream } from '../support/raw-client.ts';
import { until } from '../support/wait.ts';

/** Between two calls of one client, between two numbers, and before it connects again: load that two cores bear. */
const PAUSE_MS = 40;

interface Outcome {
  readonly key: string;
  /** What the tool answered is what it should; else what came in its place. */
  readonly ok: boolean;
  readonly what: string;
  /** HTTP status; 0 where the connection broke. */
  readonly status: number;
}

/** A client as there are many: it calls one tool after the other, listens all the while, and comes back when it is cut off. */
class LoadClient {
  /** Numbers heard, in order. */
  readonly numbers: number[] = [];
  /** The same with what came along: number, event id, which of its connections. */
  readonly trace: string[] = [];
  readonly outcomes: Outcome[] = [];
  /** Statuses other than 200 that its GET was answered with. */
  readonly refusals: number[] = [];
  /** Times it has connected its stream. */
  connected = 0;
  readonly #client: RawClient;
  readonly #name: string;
  #lastEventId: string | undefined;
  #stream: RawStream | undefined;
  #closed = false;
  #listening: Promise<void> = Promise.resolve();

  constructor(url: string, name: string) {
    this.#client = new RawClient(url);
    this.#name = name;
  }

  /** Opens the session, makes a first call, and listens. Throws with the answer where the session is refused. */
  async open(): Promise<void> {
    const { status, text } = await this.#client.initialize();
    if (status !== 200) throw new Error(`initialize was answered ${status}: ${text}`);
    await this.call();
    this.#listening = this.#listen();
    await until(() => this.connected > 0, { what: 'the stream' });
  }

  get failures(): readonly Outcome[] {
    return this.outcomes.filter(({ ok }) => !ok);
  }

  /** Takes the session to one node, so that it has it in hand. */
  async visit(url: string): Promise<void> {
    const client = clientAt(url, this.#client);
    const { status } = await client.request('ping');
    client.close();
    if (status !== 200) throw new Error(`ping was answered ${status}`);
  }

  /** One call of `work`, under a key that no other call has. */
  async call(): Promise<Outcome> {
    const key = `${this.#name}-${this.outcomes.length}`;
    const outcome = await this.#try(key);
    this.outcomes.push(outcome);
    return outcome;
  }

  /** Loses its stream's connection, and comes back. */
  cut(): void {
    this.#stream?.close();
  }

  /** Calls until told to stop. */
  async work(pauseMs: number, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await this.call();
      await delay(pauseMs);
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#stream?.close();
    await this.#listening;
    await this.#client.delete().catch(() => {});
    this.#client.close();
  }

  async #try(key: string): Promise<Outcome> {
    try {
      const { status, text, message } = await this.#client.callTool('n__work', { key });
      const answer = message?.result?.content?.[0]?.text;
      return { key, ok: answer === key, what: text, status };
    } catch (error) {
      return { key, ok: false, what: String(error), status: 0 };
    }
  }

  /** Listens, and comes back with the id of the last event, as clients do. */
  async #listen(): Promise<void> {
    while (!this.#closed) {
      try {
        await this.#hear();
      } catch {
        // Cut off: the next turn comes back.
      }
      if (!this.#closed) await delay(PAUSE_MS);
    }
  }

  async #hear(): Promise<void> {
    const stream = await this.#client.stream(
      this.#lastEventId === undefined ? {} : { lastEventId: this.#lastEventId },
    );
    this.#stream = stream;
    if (this.#closed) return stream.close();
    if (stream.status !== 200) {
      this.refusals.push(stream.status);
      return stream.close();
    }
    this.connected++;
    for await (const { id, message } of stream) {
      if (id !== undefined) this.#lastEventId = id;
      if (message?.method !== 'notifications/message') continue;
      this.numbers.push(Number(message.params!['data']));
      this.trace.push(
        `${message.params!['data']} under ${id} on ${this.connected} from ${stream.headers['x-backend']}`,
      );
    }
  }
}

/** Clients at work, and a server that talks to them all the while. */
export interface Load {
  readonly clients: readonly LoadClient[];
  /** Waits until every client has made so many further calls. */
  progress(calls: number): Promise<void>;
  /** Waits until every client has heard this number; leaves it to the test to find out what is missing. */
  allHave(number: number): Promise<void>;
  /** What went wrong since this was asked last, and how often. */
  failures(): Readonly<Record<string, number>>;
  /** Ends the work and the talk, and waits for what is under way. */
  end(): Promise<void>;
  /** Ends the sessions too. */
  close(): Promise<void>;
}

/** Opens sessions that are listened to, down to the server, and starts to work. `say` is done again and again. */
export async function startLoad(
  url: string,
  count: number,
  server: { readonly listened: number; say(): void },
  pauseMs = PAUSE_MS,
): Promise<Load> {
  const clients = Array.from({ length: count }, (_, n) => new LoadClient(url, `client-${n}`));
  try {
    await Promise.all(clients.map((client) => client.open()));
    await until(() => server.listened >= count, { what: 'everybody to be listened to' });
    server.say();
    await until(() => clients.every(({ numbers }) => numbers.length > 0), { what: 'the first number' });
  } catch (error) {
    await Promise.all(clients.map((client) => client.close()));
    throw error;
  }
  const seen: number[] = [];
  const stop = new AbortController();
  const talking = setInterval(() => server.say(), pauseMs);
  const working = clients.map((client) => client.work(pauseMs, stop.signal));
  const end = async () => {
    clearInterval(talking);
    stop.abort();
    await Promise.all(working);
  };
  return {
    clients,
    async progress(calls) {
      const goals = clients.map(({ outcomes }) => outcomes.length + calls);
      const reached = () => clients.every(({ outcomes }, index) => outcomes.length >= goals[index]!);
      await until(reached, { what: `${calls} calls of each client`, timeoutMs: 60_000 });
    },
    async allHave(number) {
      const heard = () => clients.every(({ numbers }) => (numbers.at(-1) ?? 0) >= number);
      await until(heard, { what: `number ${number}` }).catch(() => {});
    },
    failures() {
      const counts: Record<string, number> = {};
      for (const [index, { outcomes, refusals }] of clients.entries()) {
        const fresh = outcomes.slice(seen[index]).filter(({ ok }) => !ok);
        seen[index] = outcomes.length;
        const whats = fresh.map(({ status, what }) => `call: ${status} ${what.slice(0, 200)}`);
        for (const what of [...whats, ...refusals.splice(0).map((status) => `stream: ${status}`)]) {
          counts[what] = (counts[what] ?? 0) + 1;
        }
      }
      return counts;
    },
    end,
    async close() {
      await end();
      await Promise.all(clients.map((client) => client.close()));
    },
  };
}

/** Fails where a client has not heard 1 to n once and in order, and tells what it heard around the first that is wrong. */
export function assertHeard({ numbers, trace }: LoadClient, n: number): void {
  const wrong = upTo(Math.max(n, numbers.length)).findIndex((number, index) => numbers[index] !== number);
  if (wrong === -1) return;
  assert.fail(
    `of ${n}, number ${wrong + 1} is wrong:\n${trace.slice(Math.max(0, wrong - 5), wrong + 6).join('\n')}`,
  );
}

/** 1 to n. */
export const upTo = (n: number): readonly number[] => Array.from({ length: n }, (_, index) => index + 1);
