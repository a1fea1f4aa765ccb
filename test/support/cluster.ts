import { randomBytes, randomInt } from 'node:crypto';
import { createServer } from 'node:net';
import { Balancer } from './balancer.ts';
import { type Gateway, startGateway } from './gateway.ts';
import { startPostgres, type TestPostgres } from './postgres.ts';
import { RawClient } from './raw-client.ts';
import { type OwnRedis, startOwnRedis } from './redis.ts';
import { TcpProxy } from './tcp-proxy.ts';
import { until } from './wait.ts';

export interface ClusterOptions {
  /** Default 3. */
  readonly nodes?: number;
  /** Settings of every node, on top of what makes them a cluster. */
  readonly env?: Readonly<Record<string, string>>;
  /** A node that is started again has the MCP port of the one before, for balancers that know addresses only. */
  readonly keepPorts?: boolean;
}

/** Gateways with one database and one Redis, behind a balancer that gives each request to the next. */
export class Cluster {
  readonly balancer: Balancer;
  /** Loses nothing when it is restarted. */
  readonly redis: OwnRedis;
  /** What the nodes reach the database through. */
  readonly database: TcpProxy;
  readonly databaseUrl: string;
  /** Those that run now, at their places; a killed one stays at its until it is started again. */
  readonly nodes: Gateway[] = [];
  readonly #postgres: TestPostgres;
  readonly #env: Readonly<Record<string, string>>;
  readonly #starts: number[] = [];
  readonly #ports: readonly number[];

  private constructor(parts: Parts, env: Readonly<Record<string, string>>, ports: readonly number[]) {
    this.#ports = ports;
    this.balancer = parts.balancer;
    this.redis = parts.redis;
    this.database = parts.database;
    this.#postgres = parts.postgres;
    this.databaseUrl = parts.postgres.url;
    const proxied = new URL(parts.postgres.url);
    proxied.host = `127.0.0.1:${parts.database.port}`;
    this.#env = {
      DATABASE_URL: proxied.href,
      REDIS_URL: parts.redis.url,
      DRAGON_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
      // The balancer asks five times a second.
      DRAGON_DRAIN_DELAY_MS: '1000',
      ...env,
    };
  }

  /** Starts everything, the nodes all at once. */
  static async start({ nodes = 3, env = {}, keepPorts = false }: ClusterOptions = {}): Promise<Cluster> {
    const ports = keepPorts ? await lastingPorts(nodes) : [];
    const parts = await startParts();
    const cluster = new Cluster(parts, env, ports);
    try {
      const places = Array.from({ length: nodes }, (_, place) => place);
      const started = await Promise.allSettled(places.map((place) => cluster.#start(place)));
      const failed = started.find(({ status }) => status === 'rejected');
      if (failed?.status === 'rejected') throw failed.reason;
      await cluster.ready();
      return cluster;
    } catch (error) {
      await cluster.stop();
      throw error;
    }
  }

  /** The MCP endpoint, each request at another node. */
  get mcpUrl(): string {
    return `${this.balancer.url}/mcp`;
  }

  /** Waits until the balancer gives requests to every node that runs. */
  async ready(): Promise<void> {
    const running = () => this.nodes.filter(({ isRunning }) => isRunning).map(originOf);
    await until(() => running().every((origin) => this.balancer.ready.includes(origin)), {
      what: 'all nodes to be ready',
      timeoutMs: 60_000,
    });
  }

  /** Ends a node. Nobody is told: the balancer and the others have to find out. */
  async kill(place: number, signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    await this.nodes[place]!.stop(signal);
  }

  /** Starts a node at the place of one that has ended. Resolves when it gets requests. */
  async revive(place: number): Promise<void> {
    this.balancer.remove(originOf(this.nodes[place]!));
    await this.#start(place);
    await this.ready();
  }

  /** Stops a node as a deployment does, and starts another in its place. Returns the exit code of the old one. */
  async restart(place: number): Promise<number | null> {
    const code = await this.nodes[place]!.stop('SIGTERM');
    await this.revive(place);
    return code;
  }

  async stop(): Promise<void> {
    // One that was killed is gone already; one that has ended by itself says so.
    const stopped = await Promise.allSettled(this.nodes.map((node) => node.stop('SIGINT')));
    await this.balancer.close();
    await Promise.all([this.redis.stop(), this.database.close()]);
    await this.#postgres.stop();
    const failed = stopped.find(({ status }) => status === 'rejected');
    if (failed?.status === 'rejected') throw failed.reason;
  }

  async #start(place: number): Promise<void> {
    const run = (this.#starts[place] ?? 0) + 1;
    this.#starts[place] = run;
    const node = await startGateway({
      env: {
        ...this.#env,
        DRAGON_NODE_ID: `node-${place + 1}-${run}`,
        DRAGON_MCP_PORT: String(this.#ports[place] ?? 0),
      },
    });
    this.nodes[place] = node;
    this.balancer.add(originOf(node));
  }
}

/** Starts a cluster; see {@link Cluster.start}. */
export const startCluster = (options?: ClusterOptions): Promise<Cluster> => Cluster.start(options);

/** The same client with its requests sent somewhere else: to one node, or through the balancer. */
export function clientAt(url: string, client: RawClient): RawClient {
  const other = new RawClient(url);
  other.sessionId = client.sessionId;
  other.protocolVersion = client.protocolVersion;
  return other;
}

/** Free ports that the system gives to nobody while they are not in use: below those that it picks from by itself. */
async function lastingPorts(count: number): Promise<readonly number[]> {
  const ports = new Set<number>();
  while (ports.size < count) {
    const port = randomInt(15_000, 32_000);
    const probe = createServer();
    const isFree = await new Promise<boolean>((resolve) => {
      probe.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true));
    });
    if (!isFree) continue;
    await new Promise((resolve) => probe.close(resolve));
    ports.add(port);
  }
  return [...ports];
}

/** How the balancer names a node. */
const originOf = (node: Gateway): string => new URL(node.mcpUrl).origin;

interface Parts {
  readonly balancer: Balancer;
  readonly redis: OwnRedis;
  readonly postgres: TestPostgres;
  readonly database: TcpProxy;
}

async function startParts(): Promise<Parts> {
  const [postgres, redis] = await Promise.allSettled([
    startPostgres(),
    startOwnRedis({ args: ['--appendonly', 'yes'] }),
  ]);
  if (postgres.status === 'rejected' || redis.status === 'rejected') {
    for (const part of [postgres, redis]) if (part.status === 'fulfilled') await part.value.stop();
    throw postgres.status === 'rejected' ? postgres.reason : (redis as PromiseRejectedResult).reason;
  }
  const { host } = new URL(postgres.value.url);
  const [balancer, database] = await Promise.all([
    Balancer.start(),
    TcpProxy.start({ targets: () => [host] }),
  ]);
  return { balancer, redis: redis.value, postgres: postgres.value, database };
}
