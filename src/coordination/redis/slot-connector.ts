import type { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { AbstractConnector, Redis } from 'ioredis';
import { z } from 'zod';
import { backoffMs } from './backoff.ts';
import { type ConnectionSettings, SILENCE_MS } from './settings.ts';
import { type Connector, openStream } from './stream.ts';
import type { RedisTarget } from './url.ts';

type Address = RedisTarget['addresses'][number];

/** Of each range of slots its first, its last, and its master: the host is empty or absent where it is the one asked. */
const Ranges = z.array(
  z
    .tuple([z.number(), z.number(), z.tuple([z.string().nullable(), z.number()]).rest(z.unknown())])
    .rest(z.unknown()),
);

/**
 * Makes connections that go to whichever server of a Redis Cluster has one key now. For a client all of whose keys are in
 * one slot: to it the cluster is one server, which may be another after each reconnect.
 */
export function slotConnector(target: RedisTarget, settings: ConnectionSettings, key: string): Connector {
  let known: readonly Address[] = target.addresses;

  /** Asks the servers in turn, those first that were the masters lately. Undefined: nobody could say. */
  async function findOwner(): Promise<Address | undefined> {
    const asked = new Set<string>();
    for (const address of [...known, ...target.addresses]) {
      const name = `${address.host}:${address.port}`;
      if (asked.has(name)) continue;
      asked.add(name);
      const found = await ask(address).catch(() => undefined);
      if (found === undefined) continue;
      known = found.masters;
      return found.owner;
    }
    return undefined;
  }

  async function ask(address: Address) {
    const once = {
      retryStrategy: null,
      lazyConnect: true,
      enableReadyCheck: false,
      socketTimeout: SILENCE_MS,
    };
    const redis = new Redis({ ...settings, maxRetriesPerRequest: 0, ...address, ...once });
    redis.on('error', () => undefined);
    try {
      await redis.connect();
      const [slot, reply] = await Promise.all([
        redis.call('CLUSTER', 'KEYSLOT', key),
        redis.call('CLUSTER', 'SLOTS'),
      ]);
      const ranges = Ranges.parse(reply).map(([first, last, [host, port]]) => ({
        has: first <= Number(slot) && Number(slot) <= last,
        master: { host: host || address.host, port },
      }));
      const owner = ranges.find(({ has }) => has)?.master;
      return owner && { owner, masters: ranges.map(({ master }) => master) };
    } finally {
      redis.disconnect();
    }
  }

  return class SlotConnector extends AbstractConnector {
    constructor() {
      super(SILENCE_MS);
    }

    /** Once it rejects the client is at its end: it does so only when told to disconnect. */
    override async connect(): Promise<Socket> {
      this.connecting = true;
      for (let attempt = 0; this.connecting; attempt++) {
        const owner = await findOwner();
        if (!this.connecting) break;
        if (owner !== undefined) {
          const stream = openStream(owner, target.tls, (error) => {
            this.firstError = error;
          });
          this.stream = stream;
          return stream;
        }
        await delay(backoffMs(attempt), undefined, { ref: false });
      }
      throw new Error('Connection is closed.');
    }
  };
}
