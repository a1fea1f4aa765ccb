import { setTimeout as delay } from 'node:timers/promises';
import type { Cluster, Redis } from 'ioredis';
import { Code, GatewayError } from '../../protocol/errors.ts';
import type { ObserveStore } from '../../telemetry/types.ts';
import { unavailable } from '../unavailable.ts';
import { backoffMs } from './backoff.ts';
import { OneWrite } from './one-write.ts';
import type { Script, ScriptFile } from './scripts.ts';
import type { Watch } from './watch.ts';

export type Client = Redis | Cluster;
type Argument = string | number | Buffer;
type ScriptKeys = readonly [string, ...string[]];
type Call = (command: string, ...args: Argument[]) => Promise<unknown>;

/** Errors of Redis that mean a bug of ours, and not that it is away, full, starting, or somebody else's by now. */
const BUGS = /^(ERR|WRONGTYPE|CROSSSLOT|BUSYGROUP)\b/;

export interface CommandsOptions {
  readonly client: Client;
  readonly scripts: ReadonlyMap<ScriptFile, Script>;
  readonly watch: Watch;
  /** Milliseconds in which Redis has to answer. */
  readonly timeoutMs: number;
  readonly observe?: ObserveStore | undefined;
}

/**
 * Commands and scripts, answered in time or rejected with Unavailable. None is sent again by itself, as what was sent may
 * have been done, unless it is said that it may be done twice.
 */
export class Commands {
  readonly #client: Client;
  readonly #scripts: ReadonlyMap<ScriptFile, Script>;
  readonly #watch: Watch;
  readonly #timeoutMs: number;
  readonly #observe: ObserveStore | undefined;
  readonly #closing = new AbortController();
  readonly #oneWrite: OneWrite;

  constructor(options: CommandsOptions) {
    this.#client = options.client;
    this.#scripts = options.scripts;
    this.#watch = options.watch;
    this.#timeoutMs = options.timeoutMs;
    this.#observe = options.observe;
    this.#oneWrite = new OneWrite(options.client);
  }

  /** A command whose first argument is its key, or its channel. */
  command(name: string, key: string, ...rest: readonly Argument[]): Promise<unknown> {
    return this.#guard(key, () => this.#client.call(name, key, ...rest));
  }

  /**
   * As `command`, for what nobody waits for: rejects when its connection is given up, and not before. Sent when this
   * returns, where there is a connection.
   */
  post(name: string, key: string, ...rest: readonly Argument[]): Promise<unknown> {
    if (this.#closing.signal.aborted) return Promise.reject(unavailable());
    const sent = this.#client.call(name, key, ...rest);
    this.#oneWrite.flush();
    return sent.catch((error: unknown) => this.#failed(key, error));
  }

  /** The script's file says how many keys it takes. Keys of one script have the same hash tag. */
  run(file: ScriptFile, keys: ScriptKeys, args: readonly Argument[]): Promise<unknown> {
    return this.#run((...call) => this.#client.call(...call), file, keys, args);
  }

  /** As `run`, for what may be done twice: where its connection breaks it is sent again on the next, within the same time. */
  async runRepeatably(file: ScriptFile, keys: ScriptKeys, args: readonly Argument[]): Promise<unknown> {
    const { signal } = this.#closing;
    const end = performance.now() + this.#timeoutMs;
    for (let attempt = 0; ; attempt++) {
      try {
        return await this.run(file, keys, args);
      } catch (error) {
        const pause = backoffMs(attempt);
        if (!isAway(error) || performance.now() + pause > end || signal.aborted) throw error;
        await delay(pause);
      }
    }
  }

  /** As `run`, with every string of the reply as bytes. */
  runBinary(file: ScriptFile, keys: ScriptKeys, args: readonly Argument[]): Promise<unknown> {
    return this.#run((...call) => this.#client.callBuffer(...call), file, keys, args);
  }

  /** Its connection is gone: looks for when it is back, at the server of this key. */
  disconnected(key: string): void {
    this.#lost(key, new Error('Connection lost'));
  }

  close(): void {
    this.#closing.abort();
  }

  #lost(key: string, error: unknown): void {
    if (!this.#closing.signal.aborted && this.#watch.lost('commands', error)) void this.#probe(key);
  }

  #run(call: Call, file: ScriptFile, keys: ScriptKeys, args: readonly Argument[]): Promise<unknown> {
    const script = this.#scripts.get(file);
    if (script === undefined || !file.endsWith(`-${keys.length}`)) throw new TypeError(`No script ${file}`);
    return this.#guard(keys[0], () => evaluate(call, script, keys, args));
  }

  async #guard(key: string, send: () => Promise<unknown>): Promise<unknown> {
    if (this.#closing.signal.aborted) throw unavailable();
    const startedAt = performance.now();
    this.#oneWrite.gather();
    try {
      const answer = await inTime(send(), this.#timeoutMs);
      this.#observe?.('redis', (performance.now() - startedAt) / 1000, true);
      return answer;
    } catch (error) {
      this.#observe?.('redis', (performance.now() - startedAt) / 1000, false);
      return this.#failed(key, error);
    }
  }

  #failed(key: string, error: unknown): never {
    if (error instanceof Error && BUGS.test(error.message)) throw GatewayError.from(error);
    this.#lost(key, error);
    throw unavailable(error);
  }

  /** Looks whether the part of Redis that failed answers again: commands may be rare, and the log is to tell. */
  async #probe(key: string): Promise<void> {
    const { signal } = this.#closing;
    for (let attempt = 0; !signal.aborted; attempt++) {
      try {
        await delay(backoffMs(attempt), undefined, { signal, ref: false });
        await inTime(this.#client.call('EXISTS', key), this.#timeoutMs);
        return this.#watch.back('commands');
      } catch {
        // Not yet.
      }
    }
  }
}

function isAway(error: unknown): boolean {
  return error instanceof GatewayError && error.code === Code.Unavailable;
}

async function evaluate(
  call: Call,
  script: Script,
  keys: ScriptKeys,
  args: readonly Argument[],
): Promise<unknown> {
  try {
    return await call('EVALSHA', script.sha1, keys.length, ...keys, ...args);
  } catch (error) {
    // A server that was restarted, or that is new, has not heard of it; this tells it.
    if (!(error instanceof Error) || !error.message.startsWith('NOSCRIPT')) throw error;
    return await call('EVAL', script.source, keys.length, ...keys, ...args);
  }
}

/** Rejects when an answer takes longer. One that has arrived while this process was busy still counts. */
function inTime<T>(answer: Promise<T>, ms: number): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      setImmediate(() => reject(new Error(`No answer within ${ms} ms`)));
    }, ms);
    answer.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
