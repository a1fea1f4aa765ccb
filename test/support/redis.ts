import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import {
  findLauncher,
  freePort,
  type RedisProcess,
  type RedisProcessOptions,
  startRedisProcess,
} from './redis-process.ts';
import { until } from './wait.ts';

export interface TestRedis {
  readonly url: string;
  /** For keys that no other test has. */
  readonly keyPrefix: string;
  /** Ends the server; one that was there already loses the keys with this prefix. */
  stop(): Promise<void>;
}

/** One that the test may do anything to. */
export interface OwnRedis extends TestRedis, Omit<RedisProcess, 'stop'> {
  /** As after a crash; nothing of what it held is left. */
  restart(): Promise<void>;
}

const ENVIRONMENT = 'a server named by TEST_REDIS_URL';

/** A real Redis, by the first way that works here. Whoever starts it stops it. */
export async function startRedis(): Promise<TestRedis> {
  const url = process.env['TEST_REDIS_URL'];
  if (!url) return await startOwnRedis({}, [ENVIRONMENT]);
  const keyPrefix = randomPrefix();
  return { url, keyPrefix, stop: () => removeKeys(url, keyPrefix) };
}

/** A Redis to pause, cut off and kill: never the one of TEST_REDIS_URL, which others may use. */
export async function startOwnRedis(
  options: Omit<RedisProcessOptions, 'launcher'> = {},
  others: readonly string[] = [],
): Promise<OwnRedis> {
  const server = await startRedisProcess({ ...options, launcher: await findLauncher(others) });
  return {
    ...server,
    url: `redis://127.0.0.1:${server.port}`,
    keyPrefix: randomPrefix(),
    async restart() {
      await server.kill();
      await server.start();
    },
  };
}

export interface TestRedisCluster extends TestRedis {
  /** Three masters, each with a third of the slots. */
  readonly masters: readonly RedisProcess[];
  slotOf(key: string): Promise<number>;
  /** The master that has a slot now. */
  ownerOf(slot: number): Promise<RedisProcess>;
  /** Gives a slot without keys to another master. */
  moveSlot(slot: number, to: RedisProcess): Promise<void>;
}

/** Clusters and masters behind sentinels want it. */
const PASSWORD = 'sesame';

const SLOTS = 16_384;
const MASTERS = 3;

/** A Redis Cluster of three masters and no replicas, which are processes here. Needs Redis 7. */
export async function startRedisCluster(): Promise<TestRedisCluster> {
  const launcher = await findLauncher([]);
  const masters: RedisProcess[] = [];
  const stop = async () => {
    await Promise.all(masters.map((master) => master.stop()));
  };
  try {
    for (let i = 0; i < MASTERS; i++) {
      const busPort = await freePort();
      const args = [
        `--cluster-enabled yes --cluster-port ${busPort} --cluster-node-timeout 2000`,
        // A master that is down takes its own slots away, and not everybody's.
        '--cluster-require-full-coverage no',
      ];
      const master = await startRedisProcess({ launcher, args, password: PASSWORD });
      masters.push(master);
      const first = Math.ceil((SLOTS / MASTERS) * i);
      await master.call('CLUSTER', 'ADDSLOTSRANGE', first, Math.ceil((SLOTS / MASTERS) * (i + 1)) - 1);
      await master.call('CLUSTER', 'SET-CONFIG-EPOCH', i + 1);
      if (i > 0)
        await master.call('CLUSTER', 'MEET', '127.0.0.1', masters[0]!.port, await busPortOf(masters[0]!));
    }
    await until(async () => (await Promise.all(masters.map(isWhole))).every(Boolean), {
      what: 'the masters to know each other',
      timeoutMs: 60_000,
    });
  } catch (error) {
    await stop();
    throw error;
  }
  const [any] = masters as [RedisProcess];
  const idOf = async (master: RedisProcess) => String(await master.call('CLUSTER', 'MYID'));
  const ownerOf = async (slot: number) => {
    const ranges = (await any.call('CLUSTER', 'SLOTS')) as [number, number, [string, number]][];
    const range = ranges.find(([first, last]) => first <= slot && slot <= last);
    const owner = masters.find(({ port }) => port === range?.[2][1]);
    if (owner === undefined) throw new Error(`Nobody has slot ${slot}`);
    return owner;
  };
  return {
    url: `redis+cluster://:${PASSWORD}@${masters.map(({ port }) => `127.0.0.1:${port}`).join(',')}`,
    keyPrefix: randomPrefix(),
    masters,
    slotOf: async (key) => Number(await any.call('CLUSTER', 'KEYSLOT', key)),
    ownerOf,
    async moveSlot(slot, to) {
      const from = await ownerOf(slot);
      const id = await idOf(to);
      await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', await idOf(from));
      await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', id);
      for (const master of [to, ...masters.filter((other) => other !== to)]) {
        await master.call('CLUSTER', 'SETSLOT', slot, 'NODE', id);
      }
    },
    stop,
  };
}

export interface TestRedisSentinel extends TestRedis {
  readonly sentinel: RedisProcess;
  /** The replica becomes the master; once. */
  failover(): Promise<void>;
}

const MASTER_NAME = 'main';

/** A master and a replica behind one sentinel. */
export async function startRedisSentinel(): Promise<TestRedisSentinel> {
  const launcher = await findLauncher([]);
  const processes: RedisProcess[] = [];
  const stop = async () => {
    await Promise.all(processes.map((server) => server.stop()));
  };
  try {
    // A replica that knows nothing yet need not wait for a second one to share the transfer with.
    const args = [`--repl-diskless-sync-delay 0 --masterauth ${PASSWORD}`];
    const master = await startRedisProcess({ launcher, args, password: PASSWORD });
    processes.push(master);
    const replica = await startRedisProcess({
      launcher,
      args: [...args, `--replicaof 127.0.0.1 ${master.port}`],
      password: PASSWORD,
    });
    processes.push(replica);
    const sentinel = await startRedisProcess({
      launcher,
      async prepare(folder) {
        const lines = [
          `sentinel monitor ${MASTER_NAME} 127.0.0.1 ${master.port} 1`,
          `sentinel auth-pass ${MASTER_NAME} ${PASSWORD}`,
          `sentinel down-after-milliseconds ${MASTER_NAME} 1000`,
          `sentinel failover-timeout ${MASTER_NAME} 10000`,
        ];
        const file = join(folder, 'sentinel.conf');
        await writeFile(file, `${lines.join('\n')}\n`);
        return [file, '--sentinel'];
      },
    });
    processes.push(sentinel);
    await until(async () => /slave0:.*state=online/.test(String(await master.call('INFO', 'replication'))), {
      what: 'the replica',
      timeoutMs: 60_000,
    });
    const addressOfMaster = async () => {
      const address = await sentinel.call('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER_NAME);
      return String((address as string[])[1]);
    };
    return {
      url: `redis+sentinel://:${PASSWORD}@127.0.0.1:${sentinel.port}/${MASTER_NAME}`,
      keyPrefix: randomPrefix(),
      sentinel,
      async failover() {
        const before = await addressOfMaster();
        await until(() => isReplicated(master, replica), { what: 'the replica to be up to date' });
        // The sentinel refuses until it has heard of the replica.
        await until(() => sentinel.call('SENTINEL', 'FAILOVER', MASTER_NAME), {
          what: 'the sentinel to begin',
          timeoutMs: 60_000,
        });
        await until(async () => (await addressOfMaster()) !== before, {
          what: 'a new master',
          timeoutMs: 60_000,
        });
      },
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}

async function busPortOf(master: RedisProcess): Promise<number> {
  const [, port] = (await master.call('CONFIG', 'GET', 'cluster-port')) as string[];
  return Number(port);
}

/** Whether a master sees all slots, and all masters. */
async function isWhole(master: RedisProcess): Promise<boolean> {
  const info = String(await master.call('CLUSTER', 'INFO'));
  return info.includes('cluster_state:ok') && info.includes(`cluster_known_nodes:${MASTERS}\r`);
}

/** A replica counts as online before it has all that there is. */
async function isReplicated(master: RedisProcess, replica: RedisProcess): Promise<boolean> {
  const written = /master_repl_offset:(\d+)/.exec(String(await master.call('INFO', 'replication')))?.[1];
  const state = String(await replica.call('INFO', 'replication'));
  const read = /slave_repl_offset:(\d+)/.exec(state)?.[1];
  return state.includes('master_link_status:up') && Number(read) >= Number(written);
}

async function removeKeys(url: string, prefix: string): Promise<void> {
  const redis = new Redis(url);
  try {
    for await (const keys of redis.scanStream({ match: `${prefix}*`, count: 1000 })) {
      if (keys.length > 0) await redis.unlink(keys);
    }
  } finally {
    redis.disconnect();
  }
}

function randomPrefix(): string {
  return `dragon-test-${randomBytes(6).toString('hex')}:`;
}
