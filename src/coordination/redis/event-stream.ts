import { type EventStream, MAX_STREAMED, type StreamedEvents } from '../event-stream.ts';
import type { Keys } from '../keys.ts';
import type { Commands } from './commands.ts';
import { asArray, asNumber, asString } from './replies.ts';

/** All readers are one group: each entry is for one of them. */
const GROUP = 'writers';

/** One stream for all nodes. */
export class RedisEventStream implements EventStream {
  readonly #commands: Commands;
  readonly #key: string;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#key = keys.eventLog;
  }

  async append(data: string): Promise<void> {
    await this.#commands.post('XADD', this.#key, 'MAXLEN', '~', MAX_STREAMED, '*', 'events', data);
  }

  async read(reader: string, count: number, idleMs: number): Promise<readonly StreamedEvents[]> {
    const reply = await this.#commands.run('readEvents-1', [this.#key], [GROUP, reader, count, idleMs]);
    return asArray(reply).map((entry) => {
      const [id, fields] = asArray(entry);
      const [, data] = asArray(fields);
      return { id: asString(id), data: asString(data) };
    });
  }

  async done(ids: readonly string[]): Promise<void> {
    if (ids.length > 0) await this.#commands.run('doneEvents-1', [this.#key], [GROUP, ...ids]);
  }

  async size(): Promise<number> {
    return asNumber(await this.#commands.command('XLEN', this.#key));
  }
}
