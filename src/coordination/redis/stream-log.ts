import type { Keys } from '../keys.ts';
import type { EventOrigin, LoggedEvent, StreamLog, StreamLogLimits } from '../stream-log.ts';
import { eventTooLarge, sessionGone } from '../unavailable.ts';
import type { Commands } from './commands.ts';
import { asArray, asNumber, asOptionalString, asPairs, asString } from './replies.ts';
import { FIELD, originField } from './session-record.ts';

/** A Redis stream for each session; where it stands is in the session's hash. */
export class RedisStreamLog implements StreamLog {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #limits: StreamLogLimits;

  constructor(commands: Commands, keys: Keys, limits: StreamLogLimits) {
    this.#commands = commands;
    this.#keys = keys;
    this.#limits = limits;
  }

  async append(
    sessionId: string,
    data: string,
    origin?: EventOrigin,
  ): Promise<{ readonly sequence: number; readonly holder: string | undefined }> {
    const { maxEvents, maxBytes, maxEventBytes, maxAgeMs } = this.#limits;
    if (Buffer.byteLength(data) > maxEventBytes) throw eventTooLarge(maxEventBytes);
    const from = origin === undefined ? ['', ''] : [originField(origin.serverId), origin.eventId];
    const args = [data, maxEvents, maxBytes, maxAgeMs, ...from];
    const reply = await this.#commands.run('appendEvent-2', this.#both(sessionId), args);
    if (reply === null) throw sessionGone();
    const [sequence, holder] = asArray(reply);
    return { sequence: asNumber(sequence), holder: asOptionalString(holder) };
  }

  async take(sessionId: string, nodeId: string, after: number | undefined): ReturnType<StreamLog['take']> {
    const args = [nodeId, after ?? '', FIELD.origin];
    const reply = await this.#commands.run('takeStream-2', this.#both(sessionId), args);
    if (reply === null) throw sessionGone();
    const [delivered, holder, entries, origins] = asArray(reply);
    const previous = asOptionalString(holder);
    return {
      events: this.#events(entries),
      delivered: asNumber(delivered),
      previous: previous === nodeId ? undefined : previous,
      origins: Object.fromEntries(
        asPairs(origins).map(([field, eventId]) => [field.slice(FIELD.origin.length), eventId]),
      ),
    };
  }

  async read(sessionId: string, after: number): Promise<readonly LoggedEvent[]> {
    const key = this.#keys.events(sessionId);
    return this.#events(await this.#commands.command('XRANGE', key, after + 1, '+'));
  }

  async delivered(sessionId: string, sequence: number): Promise<void> {
    await this.#commands.run('markDelivered-1', [this.#keys.session(sessionId)], [sequence]);
  }

  async leave(sessionId: string, nodeId: string): Promise<void> {
    await this.#commands.run('leaveStream-1', [this.#keys.session(sessionId)], [nodeId]);
  }

  #both(sessionId: string): [string, string] {
    return [this.#keys.session(sessionId), this.#keys.events(sessionId)];
  }

  /** Entries are `[<sequence>-<time>, ['data', <data>]]`. */
  #events(entries: unknown): LoggedEvent[] {
    return asArray(entries).map((entry) => {
      const [id, fields] = asArray(entry);
      return { sequence: Number.parseInt(asString(id), 10), data: asString(asArray(fields)[1]) };
    });
  }
}
