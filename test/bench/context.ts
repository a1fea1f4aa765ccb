import { randomBytes } from 'node:crypto';
import postgres from 'postgres';
import type { Gateway } from '../support/gateway.ts';
import { startGateway } from '../support/gateway.ts';
import { startPostgres } from '../support/postgres.ts';
import { startOwnRedis } from '../support/redis.ts';
import type { Plan } from './options.ts';
import { Scope } from './scope.ts';
import type { Pinning, Tools } from './tools.ts';

/** What all sections share. */
export interface Context {
  readonly plan: Plan;
  readonly tools: Tools;
  readonly pinning: Pinning;
  /** Where nginx is, if anywhere. */
  readonly nginx: string | undefined;
  /** For whatever is written meanwhile. */
  readonly folder: string;
  readonly log: (line: string) => void;
  readonly stores: Stores;
  /** What could not be measured, with the reason; also said in the report. */
  readonly missing: Set<string>;
  /** Samples that may still be taken again. */
  retriesLeft: number;
}

export interface Store {
  readonly env: Readonly<Record<string, string>>;
  readonly redisPid: number;
}

/** One Redis and one PostgreSQL, started when first needed; each gateway has a part of its own in both. */
export class Stores {
  readonly #scope = new Scope();
  #started: Promise<{ database: string; redis: string; redisPid: number }> | undefined;

  /** Settings of a gateway that is a cluster of its own. */
  async fresh(): Promise<Store> {
    this.#started ??= this.#start();
    const { database, redis, redisPid } = await this.#started;
    const name = `bench_${randomBytes(6).toString('hex')}`;
    const admin = postgres(database, { max: 1, onnotice: () => undefined });
    await admin`create database ${admin(name)}`;
    await admin.end();
    const url = new URL(database);
    url.pathname = `/${name}`;
    return {
      redisPid,
      env: {
        DATABASE_URL: url.href,
        REDIS_URL: redis,
        DRAGON_REDIS_PREFIX: `${name}:`,
        DRAGON_ENCRYPTION_KEY: randomBytes(32).toString('base64'),
        DRAGON_DRAIN_DELAY_MS: '0',
      },
    };
  }

  async stop(): Promise<void> {
    await this.#scope[Symbol.asyncDispose]();
  }

  async #start() {
    const database = await startPostgres();
    this.#scope.onEnd(() => database.stop());
    const redis = await startOwnRedis();
    this.#scope.onEnd(() => redis.stop());
    const info = String(await redis.call('INFO', 'server'));
    return { database: database.url, redis: redis.url, redisPid: Number(/process_id:(\d+)/.exec(info)?.[1]) };
  }
}

/** Notes that something is not measured, and why. */
export function leaveOut(context: Context, what: string, reason: unknown): void {
  const text = reason instanceof Error ? reason.message : String(reason);
  const line = `${what}: ${text.split('\n', 1)[0]}`;
  context.missing.add(line);
  context.log(`LEFT OUT ${line}`);
}

/** A gateway in its process, pinned, with nothing of its own in its lists. */
export async function startBenchGateway(
  { pinning }: Context,
  scope: Scope,
  env: Readonly<Record<string, string>>,
): Promise<Gateway> {
  const gateway = await startGateway({
    prefix: pinning.proxy,
    env: { DRAGON_BUILTIN_TOOLS: 'off', DRAGON_LOG_LEVEL: 'info', ...env },
  });
  scope.onEnd(() => gateway.stop());
  return gateway;
}
