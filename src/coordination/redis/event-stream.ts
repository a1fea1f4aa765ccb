import type { KeyObject } from 'node:crypto';
import type { Logger } from '../../telemetry/types.ts';
import { type EventStream, MAX_STREAMED, type StreamedEvents } from '../event-stream.ts';
import type { Keys } from '../keys.ts';
import type { Commands } from './commands.ts';
import { Envelopes } from './envelope.ts';
import { asArray, asNumber, asString } from './replies.ts';

/** All readers are one group: each entry is for one of them. */
const GROUP = 'writers';

export interface EventStreamOptions {
  readonly keys: Keys;
  /** See {@link Envelopes}: what goes into the log for good is to come from a member. */
  readonly signingKeys: readonly KeyObject[];
  readonly logger: Logger;
}

/** One stream for all nodes. */
export class RedisEventStream implements EventStream {
  readonly #commands: Commands;
  readonly #key: string;
  readonly #envelopes: Envelopes;
  readonly #logger: Logger;
  #refused = 0;

  constructor(commands: Commands, { keys, signingKeys, logger }: EventStreamOptions) {
    this.#commands = commands;
    this.#key = keys.eventLog;
    this.#envelopes = new Envelopes(signingKeys);
    this.#logger = logger;
  }

  async append(data: string): Promise<void> {
    const signed = this.#envelopes.sign(this.#key, data);
    await this.#commands.post('XADD', this.#key, 'MAXLEN', '~', MAX_STREAMED, '*', 'events', signed);
  }

  async read(reader: string, count: number, idleMs: number): Promise<readonly StreamedEvents[]> {
    const reply = await this.#commands.run('readEvents-1', [this.#key], [GROUP, reader, count, idleMs]);
    const forged: string[] = [];
    const entries = asArray(reply).flatMap((entry) => {
      const [id, fields] = asArray(entry);
      const [, data] = asArray(fields);
      const text = this.#signed(asString(data));
      if (text === undefined) forged.push(asString(id));
      return text === undefined ? [] : { id: asString(id), data: text };
    });
    await this.#refuse(forged);
    return entries;
  }

  async done(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#commands.run('doneEvents-1', [this.#key], [GROUP, ...ids]);
  }

  async size(): Promise<number> {
    return asNumber(await this.#commands.command('XLEN', this.#key));
  }

  #signed(data: string): string | undefined {
    try {
      return this.#envelopes.signed(this.#key, data);
    } catch {
      return undefined;
    }
  }

  /** Taken out, so that they are not read again and again. */
  async #refuse(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    this.#refused += ids.length;
    this.#logger.warn('Events that no member of the cluster has signed were refused', {
      count: ids.length,
      total: this.#refused,
    });
    await this.done(ids);
  }
}
