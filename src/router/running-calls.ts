import type { CallJournal, NotedCall } from '../coordination/call-journal.ts';
import { type Place, WaitingLine } from '../session/waiting-line.ts';

/** A call that has run for so long, in milliseconds, is worth that its client can come back for it. */
const AGE_MS = 100;
const TICK_MS = 50;

/** Characters of a request that is noted, and of all that one node has noted. */
const MAX_REQUEST = 65_536;
const MAX_NOTED = 16_777_216;

/** What is noted outlives the call's deadline by so many milliseconds: a client may be late. */
const MARGIN_MS = 60_000;

export interface RunningCall {
  /** Milliseconds, as of `performance.now()`. */
  readonly startedAt: number;
  readonly sessionId: string;
  readonly serverId: string;
  /** As the client sent it. */
  readonly request: string;
  readonly isRepeatable: boolean;
  /** The most that it may take, in milliseconds. */
  readonly totalMs: number;
  /** The stream under which it is noted already: it was taken over. */
  readonly notedAs: string | undefined;
  /** Where it waits until it is worth noting. */
  place: Place<RunningCall> | undefined;
  /** See {@link ClientSink.comeBack}. */
  comeBack(): string | undefined;
}

interface Changes {
  readonly noted: Map<string, NotedCall>;
  readonly over: string[];
  ttlMs: number;
}

/**
 * Calls under way on a node of a cluster. One that takes longer than a moment is given a stream that its client can come
 * back for, and is noted, if it may be run again: where this node dies, another goes on. Most calls are over before, and
 * nothing waits for the store.
 */
export class RunningCalls {
  readonly #journal: CallJournal;
  readonly #young = new WaitingLine<RunningCall>();
  readonly #noted = new Map<RunningCall, string>();
  /** Characters of their requests. */
  #size = 0;
  /** By session. */
  #changes = new Map<string, Changes>();
  #timer: NodeJS.Timeout | undefined;
  #isWriting = false;

  constructor(journal: CallJournal) {
    this.#journal = journal;
  }

  begin(call: RunningCall): void {
    if (call.notedAs === undefined) {
      call.place = this.#young.add(call, call.startedAt);
      this.#arm();
    } else {
      this.#keep(call, call.notedAs);
      this.#note(call, call.notedAs, { isSecondRun: true });
      this.#arm();
    }
  }

  end(call: RunningCall): void {
    if (call.place !== undefined) {
      call.place.item = undefined;
      call.place = undefined;
      return;
    }
    const streamId = this.#noted.get(call);
    if (streamId === undefined) return;
    this.#noted.delete(call);
    this.#size -= call.request.length;
    this.over(call.sessionId, streamId);
  }

  /** What is noted of a call stays, for another node to go on with. False: nothing is. */
  leave(call: RunningCall): boolean {
    if (!this.#noted.delete(call)) return false;
    this.#size -= call.request.length;
    return true;
  }

  /** A call that is noted under this stream must not be run again. */
  over(sessionId: string, streamId: string): void {
    const { noted, over } = this.#changesOf(sessionId);
    noted.delete(streamId);
    over.push(streamId);
    this.#arm();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#young.clear();
    this.#noted.clear();
  }

  #arm(): void {
    this.#timer ??= setTimeout(() => this.#tick(), TICK_MS).unref();
  }

  #tick(): void {
    this.#timer = undefined;
    for (const call of this.#young.takeUntil(performance.now() - AGE_MS)) {
      call.place = undefined;
      this.#consider(call);
    }
    this.#write();
    if (!this.#young.isEmpty || this.#changes.size > 0) this.#arm();
  }

  #consider(call: RunningCall): void {
    const streamId = call.comeBack();
    const { length } = call.request;
    const fits = length <= MAX_REQUEST && this.#size + length <= MAX_NOTED;
    if (streamId === undefined || !call.isRepeatable || !fits) return;
    this.#keep(call, streamId);
    this.#note(call, streamId, {});
  }

  #note(
    { sessionId, serverId, request, totalMs }: RunningCall,
    streamId: string,
    more: Partial<NotedCall>,
  ): void {
    const changes = this.#changesOf(sessionId);
    changes.noted.set(streamId, { serverId, request, ...more });
    changes.ttlMs = Math.max(changes.ttlMs, totalMs + MARGIN_MS);
  }

  #keep(call: RunningCall, streamId: string): void {
    this.#noted.set(call, streamId);
    this.#size += call.request.length;
  }

  /** One write at a time; what changes meanwhile is for the next. */
  #write(): void {
    if (this.#isWriting || this.#changes.size === 0) return;
    const changes = this.#changes;
    this.#changes = new Map();
    this.#isWriting = true;
    // Where the store is away: what is not noted is not run again, and what stays noted ends with its time.
    const writes = [...changes].map(([id, { noted, over, ttlMs }]) =>
      this.#journal.write(id, { noted, over }, ttlMs).catch(() => {}),
    );
    void Promise.all(writes).then(() => {
      this.#isWriting = false;
    });
  }

  #changesOf(sessionId: string): Changes {
    const known = this.#changes.get(sessionId);
    if (known !== undefined) return known;
    const changes: Changes = { noted: new Map(), over: [], ttlMs: 0 };
    this.#changes.set(sessionId, changes);
    return changes;
  }
}
