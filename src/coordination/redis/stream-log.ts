import type { Keys } from '../keys.ts';
import type {
  Appended,
  EventStamp,
  LoggedEvent,
  NewEvent,
  NotTaken,
  Standing,
  StreamLog,
  StreamLogLimits,
  StreamPlace,
  Taken,
  Taker,
} from '../stream-log.ts';
import { eventTooLarge, sessionGone } from '../unavailable.ts';
import type { Commands } from './commands.ts';
import { asArray, asNumber, asOptionalString, asPairs, asString } from './replies.ts';
import { countField, FIELD, originField } from './session-record.ts';

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

  async append(sessionId: string, { data, stamp, origin }: NewEvent): Promise<Appended> {
    const { maxEvents, maxBytes, maxEventBytes, maxAgeMs } = this.#limits;
    if (data !== undefined && Buffer.byteLength(data) > maxEventBytes) throw eventTooLarge(maxEventBytes);
    const { producer, count } = stamp;
    const args = [
      ...[data ?? '', data === undefined ? 0 : 1],
      ...[maxEvents, maxBytes, maxAgeMs],
      ...[producer, count, countField(producer)],
      ...(origin === undefined ? ['', ''] : [originField(origin.serverId), origin.position]),
    ];
    const reply = await this.#commands.run('appendEvent-2', this.#both(sessionId), args);
    if (reply === null) throw sessionGone();
    const [outcome, sequence, holder, takes, taker] = asArray(reply);
    return {
      outcome: asOutcome(outcome),
      sequence: asNumber(sequence),
      holder: asOptionalString(holder),
      ...standing(producer, takes, taker),
    };
  }

  async take(sessionId: string, by: Taker, after: StreamPlace | undefined): Promise<Taken | NotTaken> {
    const { producer, count, origins = {} } = after?.beside ?? { producer: '', count: 0 };
    const args = [
      ...[by.nodeId, by.producer, by.takes, after?.sequence ?? ''],
      ...[FIELD.origin, FIELD.count, this.#limits.maxAgeMs],
      ...[producer, count],
      ...Object.entries(origins).flatMap(([serverId, position]) => [originField(serverId), position]),
    ];
    const reply = await this.#commands.run('takeStream-2', this.#both(sessionId), args);
    if (reply === null) throw sessionGone();
    const [takes, taker, delivered, last, node, entries, stored] = asArray(reply);
    const { isTaker } = standing(by.producer, takes, taker);
    if (entries === undefined) return { isTaken: false, isTaker, takes: asNumber(takes) };
    const previous = asOptionalString(node);
    return {
      isTaken: true,
      isTaker: true,
      isContinued: isTaker,
      takes: asNumber(takes),
      events: asEvents(entries),
      delivered: asNumber(delivered),
      last: asNumber(last),
      previous: previous === by.nodeId ? undefined : previous,
      origins: Object.fromEntries(
        asPairs(stored).map(([field, position]) => [field.slice(FIELD.origin.length), position]),
      ),
    };
  }

  async read(sessionId: string, producer: string, after: number): ReturnType<StreamLog['read']> {
    const reply = await this.#commands.run('readStream-2', this.#both(sessionId), [after]);
    const [takes, taker, last, entries] = asArray(reply);
    return { ...standing(producer, takes, taker), last: asNumber(last), events: asEvents(entries) };
  }

  async delivered(sessionId: string, sequence: number): Promise<void> {
    await this.#commands.run('markDelivered-1', [this.#keys.session(sessionId)], [sequence]);
  }

  async leave(sessionId: string, takes: number): Promise<void> {
    await this.#commands.run('leaveStream-1', [this.#keys.session(sessionId)], [takes]);
  }

  #both(sessionId: string): [string, string] {
    return [this.#keys.session(sessionId), this.#keys.events(sessionId)];
  }
}

function standing(producer: string, takes: unknown, taker: unknown): Standing {
  return { takes: asNumber(takes), isTaker: asOptionalString(taker) === producer };
}

function asOutcome(reply: unknown): Appended['outcome'] {
  const outcome = asString(reply);
  if (outcome === 'appended' || outcome === 'known' || outcome === 'refused') return outcome;
  throw new TypeError(`Redis answered ${outcome} to an event`);
}

/** Entries are `[<sequence>-<time>, ['data', <data>, 'stamp', <stamp>]]`. */
function asEvents(entries: unknown): LoggedEvent[] {
  return asArray(entries).map((entry) => {
    const [id, fields] = asArray(entry);
    const [, data, , stamp] = asArray(fields);
    return { sequence: Number.parseInt(asString(id), 10), data: asString(data), stamp: asStamp(stamp) };
  });
}

/** `<count> <producer>`; older nodes wrote none. */
function asStamp(reply: unknown): EventStamp {
  const text = asOptionalString(reply) ?? '0 ';
  const space = text.indexOf(' ');
  return { producer: text.slice(space + 1), count: Number(text.slice(0, space)) };
}
