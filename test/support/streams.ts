import assert from 'node:assert/strict';
import type { Coordination } from '../../src/coordination/coordination.ts';
import type {
  Appended,
  EventOrigin,
  LoggedEvent,
  StreamLog,
  Taken,
} from '../../src/coordination/stream-log.ts';
import { uniqueId } from './coordination.ts';

/** Appends events to one session's stream, as a node that has it in hand does. */
export class Producer {
  readonly name = uniqueId('producer');
  readonly #streams: StreamLog;
  readonly #sessionId: string;
  #count = 0;

  constructor(streams: StreamLog, sessionId: string) {
    this.#streams = streams;
    this.#sessionId = sessionId;
  }

  append(data: string | undefined, origin?: EventOrigin): Promise<Appended> {
    return this.again(++this.#count, data, origin);
  }

  /** An event that may have been appended before. */
  again(count: number, data: string | undefined, origin?: EventOrigin): Promise<Appended> {
    const stamp = { producer: this.name, count };
    return this.#streams.append(this.#sessionId, { stamp, data, origin });
  }

  /** Takes the stream for a node. `after`: a sequence. */
  async take(nodeId: string, after?: number): Promise<Taken> {
    const { takes } = await this.#streams.read(this.#sessionId, this.name, 0);
    const place = after === undefined ? undefined : { sequence: after };
    const taken = await this.#streams.take(this.#sessionId, { nodeId, producer: this.name, takes }, place);
    assert.ok(taken.isTaken);
    return taken;
  }
}

/** Appends one event, for a producer that has no other. */
export function append(streams: StreamLog, sessionId: string, data: string): Promise<Appended> {
  return new Producer(streams, sessionId).append(data);
}

/** Takes the stream for a node, for a producer that does nothing else. */
export function take({ streams, nodeId }: Coordination, sessionId: string, after?: number): Promise<Taken> {
  return new Producer(streams, sessionId).take(nodeId, after);
}

/** Events after a sequence, by what they have in common with all that are appended. */
export async function logged(
  streams: StreamLog,
  sessionId: string,
  after = 0,
): Promise<readonly Pick<LoggedEvent, 'sequence' | 'data'>[]> {
  return plain((await streams.read(sessionId, '', after)).events);
}

/** Events without their stamps. */
export function plain(events: readonly LoggedEvent[]): readonly Pick<LoggedEvent, 'sequence' | 'data'>[] {
  return events.map(({ sequence, data }) => ({ sequence, data }));
}
