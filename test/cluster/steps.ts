import { type Cluster, clientAt, startCluster } from '../support/cluster.ts';
import { type PeerTool, text } from '../support/peer-tools.ts';
import { RawClient, type RawStream } from '../support/raw-client.ts';
import { isResponse, type Message, request, textOf } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

/** Steps of a tool that it takes when the test allows them, and how often it was run. */
export class Steps {
  allowed = 0;
  runs = 0;
  /** Of those, which the client has cancelled. */
  cancelled = 0;

  tool(name: string, annotations?: Record<string, boolean>): PeerTool {
    const description = 'Reports four steps';
    return {
      name,
      description,
      ...(annotations && { annotations }),
      run: async ({ notify, meta, signal }) => {
        this.runs++;
        signal.addEventListener('abort', () => this.cancelled++);
        const { progressToken } = meta;
        for (let progress = 1; progress <= 4; progress++) {
          await until(() => this.allowed >= progress || signal.aborted, {
            what: `step ${progress}`,
            timeoutMs: 120_000,
          });
          if (progressToken !== undefined)
            notify('notifications/progress', { progressToken, progress, total: 4 });
        }
        return text('four steps');
      },
    };
  }
}

/** What comes on a stream, as it comes. */
export class Heard {
  readonly messages: Message[] = [];
  readonly eventIds: string[] = [];
  isOver = false;
  readonly stream: RawStream;

  constructor(stream: RawStream) {
    this.stream = stream;
    this.#read().catch(() => {
      this.isOver = true;
    });
  }

  get lastEventId(): string {
    return this.eventIds.at(-1) ?? '';
  }

  get answer(): Message | undefined {
    return this.messages.find(isResponse);
  }

  /** Numbers of steps, and what the answer says. */
  get parts(): unknown[] {
    return this.messages.map((message) => message.params?.['progress'] ?? textOf(message));
  }

  until(what: string, condition: (heard: Heard) => unknown): Promise<unknown> {
    return until(() => condition(this), { what, timeoutMs: 60_000 });
  }

  step(n: number): Promise<unknown> {
    return this.until(`step ${n}`, ({ messages }) =>
      messages.some((each) => each.params?.['progress'] === n),
    );
  }

  answered(): Promise<unknown> {
    return this.until('the answer', ({ answer }) => answer);
  }

  async #read(): Promise<void> {
    for await (const { id, message } of this.stream) {
      if (id !== undefined) this.eventIds.push(id);
      if (message !== undefined) this.messages.push(message);
    }
    this.isOver = true;
  }
}

/** Three nodes, and clients that call a tool at one of them and come back to another. */
export class CallCluster {
  readonly cluster: Cluster;
  readonly #clients: RawClient[] = [];

  private constructor(cluster: Cluster) {
    this.cluster = cluster;
  }

  static async start(): Promise<CallCluster> {
    return new CallCluster(await startCluster());
  }

  async stop(): Promise<void> {
    for (const client of this.#clients) client.close();
    await this.cluster.stop();
  }

  /** A session that was opened at a node. */
  async session(place: number): Promise<RawClient> {
    const client = new RawClient(this.cluster.nodes[place]!.mcpUrl, { capabilities: { elicitation: {} } });
    this.#clients.push(client);
    const { status, text: said } = await client.initialize();
    if (status !== 200) throw new Error(`initialize was answered ${status}: ${said}`);
    return client;
  }

  /** The same client at another node. */
  at(place: number, client: RawClient): RawClient {
    const other = clientAt(this.cluster.nodes[place]!.mcpUrl, client);
    this.#clients.push(other);
    return other;
  }

  async call(client: RawClient, name: string, id: string, wantsProgress = true): Promise<Heard> {
    const meta = wantsProgress ? { _meta: { progressToken: `p-${id}` } } : {};
    return new Heard(await client.postStream(request(id, 'tools/call', { name, arguments: {}, ...meta })));
  }

  /** Comes back for the stream that an event id names. */
  async comeBack(place: number, client: RawClient, lastEventId: string): Promise<Heard> {
    const stream = await this.at(place, client).stream({ lastEventId });
    if (stream.status !== 200) throw new Error(`the stream was answered ${stream.status}`);
    return new Heard(stream);
  }

  /** Waits until so many calls of a session are noted in the store, to be run again. */
  async noted({ sessionId }: RawClient, count: number): Promise<void> {
    const key = `dragon:calls:{${sessionId}}`;
    await until(
      async () => {
        const fields = (await this.cluster.redis.call('HKEYS', key)) as string[];
        return fields.filter((field) => field.startsWith('call:')).length === count;
      },
      { what: `${count} calls to be noted`, timeoutMs: 60_000 },
    );
  }
}
