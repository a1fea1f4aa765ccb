import { setTimeout as delay } from 'node:timers/promises';
import { Cluster, Redis } from 'ioredis';
import { backoffMs } from './backoff.ts';
import type { Client } from './commands.ts';
import { watchMaster } from './sentinels.ts';
import { type ConnectionSettings, commonSettings, SILENCE_MS, tlsSettings } from './settings.ts';
import { singleConnector } from './stream.ts';
import type { RedisTarget } from './url.ts';

/** Between two looks at what a server is at that lets nobody in yet. */
const LOOK_MS = 250;

/** One Redis, however it is reached: the connection that commands take, and further ones for subscriptions. */
export interface Connection {
  readonly client: Client;
  /** Whether channels are sharded: each belongs to one server of a cluster, as keys do. */
  readonly sharded: boolean;
  /** A connection to the server that a channel belongs to; not open yet, and it does not reconnect. */
  dial(channel: string): Promise<Redis>;
  /** Resolves once commands are answered; does not reject. Meanwhile `onTrouble` is told what a server says of itself. */
  ready(onTrouble: (error: unknown) => void): Promise<void>;
  close(): Promise<void>;
}

/** Opens connections, which reconnect for ever. Nobody has to listen to their errors. */
export function openConnection(target: RedisTarget, name: string): Connection {
  const options = commonSettings(target, name);
  return target.kind === 'cluster' ? openCluster(target, options) : openSingle(target, options);
}

function openSingle(target: RedisTarget, common: ConnectionSettings): Connection {
  const options = { ...common, ...placeOf(target), db: target.db };
  const client = new Redis({ ...options, enableOfflineQueue: false, retryStrategy: backoffMs });
  client.on('error', ignore);
  const letEnd = keepFromEnding(client);
  const dialled = new Set<Redis>();
  let looking: NodeJS.Timeout | undefined;
  const sentinels =
    target.kind === 'sentinel'
      ? watchMaster(target, common, () => {
          client.disconnect(true);
          for (const redis of dialled) redis.disconnect();
        })
      : undefined;
  return {
    client,
    sharded: false,
    async dial() {
      const once = { retryStrategy: null, sentinelRetryStrategy: () => null, autoResubscribe: false };
      const redis = new Redis({ ...options, ...once, lazyConnect: true });
      dialled.add(redis);
      return redis.once('end', () => dialled.delete(redis));
    },
    async ready(onTrouble) {
      looking = setInterval(() => void lookForLoading(client, onTrouble), LOOK_MS);
      await becomeReady(client);
      clearInterval(looking);
    },
    async close() {
      clearInterval(looking);
      letEnd();
      client.disconnect();
      await sentinels?.close();
    },
  };
}

function openCluster(target: RedisTarget, common: ConnectionSettings): Connection {
  const cluster = new Cluster([...target.addresses], {
    redisOptions: common,
    enableOfflineQueue: false,
    clusterRetryStrategy: (attempt) => backoffMs(attempt),
    maxRedirections: 4,
    // What was sent when a connection broke may have been done, and what is sent again later is out of order.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // TLS certificates are for names, and it is names that the cluster may announce.
    ...(target.tls === undefined ? {} : { dnsLookup: (host, done) => done(null, host) }),
  });
  cluster.on('error', ignore);
  cluster.on('node error', ignore);
  // By itself a connection opens with its first command, and those that follow meanwhile are rejected. The setImmediate
  // lets the command that found a new server be that first one.
  cluster.on('+node', (node: Redis) => {
    setImmediate(() => {
      // Not before: the cluster's own check, too, is rejected while a connection opens.
      if (cluster.status === 'ready') openIfIdle(node);
    });
  });
  cluster.on('ready', () => cluster.nodes('master').forEach(openIfIdle));
  const slots = new Map<string, number>();
  const slotOf = async (channel: string): Promise<number> => {
    const slot = slots.get(channel) ?? Number(await cluster.call('CLUSTER', 'KEYSLOT', channel));
    slots.set(channel, slot);
    return slot;
  };
  return {
    client: cluster,
    sharded: true,
    async dial(channel) {
      // A subscription ends when its slot moves, so what was known of slots may be old. Where it fails it is tried again.
      await new Promise<void>((resolve) => cluster.refreshSlotsCache(() => resolve()));
      const owner = cluster.slots[await slotOf(channel)]?.[0];
      const node = cluster.nodes('master').find(({ options }) => `${options.host}:${options.port}` === owner);
      if (node === undefined) throw new Error('The cluster has no server for this channel now');
      return node.duplicate({ retryStrategy: null, lazyConnect: true, autoResubscribe: false });
    },
    async ready(onTrouble) {
      await becomeReady(cluster);
      for (let attempt = 0; cluster.status !== 'end'; attempt++) {
        try {
          await Promise.all(cluster.nodes('master').map((node) => node.ping()));
          return;
        } catch (error) {
          onTrouble(error);
          await delay(backoffMs(attempt));
        }
      }
    },
    close: async () => cluster.disconnect(),
  };
}

/** A client that is told to reconnect while it asks sentinels where to is at its end. Returns what lets it end. */
export function keepFromEnding(client: Redis): () => void {
  let timer: NodeJS.Timeout | undefined;
  const again = () => {
    timer = setTimeout(() => void client.connect().catch(ignore), backoffMs(0));
  };
  client.on('end', again);
  return () => {
    client.off('end', again);
    clearTimeout(timer);
  };
}

export function placeOf(target: RedisTarget): ConnectionSettings {
  const [first] = target.addresses;
  if (target.kind !== 'sentinel')
    return { host: first.host, port: first.port, Connector: singleConnector(target) };
  return {
    sentinels: [...target.addresses],
    name: target.master,
    sentinelRetryStrategy: backoffMs,
    sentinelCommandTimeout: SILENCE_MS,
    ...(target.sentinelUsername === undefined ? {} : { sentinelUsername: target.sentinelUsername }),
    ...(target.sentinelPassword === undefined ? {} : { sentinelPassword: target.sentinelPassword }),
    ...(target.tls === undefined
      ? {}
      : { enableTLSForSentinelMode: true, sentinelTLS: tlsSettings(target.tls) }),
  };
}

function becomeReady(client: Client): Promise<void> {
  return new Promise((resolve) => {
    client.once('ready', resolve);
  });
}

/** A client that has connected waits by itself while the server loads its data, and says so to nobody. */
async function lookForLoading(client: Redis, onTrouble: (error: unknown) => void): Promise<void> {
  if (client.status !== 'connect') return;
  const state = await client.info('persistence').catch(() => '');
  if (/^loading:1\b/m.test(state)) onTrouble(new Error('LOADING Redis is loading the dataset in memory'));
}

function openIfIdle(node: Redis): void {
  if (node.status === 'wait') node.connect().catch(ignore);
}

/** Each command that fails says so by itself. */
function ignore(): void {}
