import { randomUUID } from 'node:crypto';
import { type Owner, ownerKey, type Principal } from '../auth/principal.ts';
import type { Bus } from '../coordination/bus.ts';
import type { RecordedEntry, RecordingStore, StoredRecording } from '../coordination/recordings.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { keptBody } from './body.ts';

/** To all nodes: a recording has begun, or is over. */
const CHANGED = 'recordings.changed';

/** Milliseconds between two looks for what news got lost. */
const LOOK_MS = 10_000;

/** Bytes that a node records of one recording. */
const MAX_BYTES = 8 * 1024 * 1024;

/** Entries on their way to the store, of all recordings: beyond, what comes is left out. */
const MAX_UNDER_WAY = 100;

/** A request of a client and what came of it. */
export interface Exchanged {
  /** Tells sessions apart; undefined where there is none. */
  readonly session: string | undefined;
  readonly method: string;
  readonly request: string;
  /** Undefined: there was none, or it was too large to hold. */
  readonly answer: string | Buffer | undefined;
  readonly answerBytes: number;
  /** Messages that came before it. */
  readonly messages: number;
  /** Why there was no answer. */
  readonly failure: string | undefined;
  readonly durationMs: number;
}

/** An entry of a recording, as it is stored. */
export interface RecordedExchange extends Omit<Exchanged, 'answer' | 'request' | 'session' | 'failure'> {
  readonly v: 1;
  /** When it ended: milliseconds since the epoch. */
  readonly at: number;
  readonly node: string;
  readonly session?: string;
  readonly request?: string;
  readonly requestBytes: number;
  readonly answer?: string;
  readonly failure?: string;
}

export interface RecorderOptions {
  readonly store: RecordingStore;
  readonly bus: Bus;
  readonly logger: Logger;
}

interface Active {
  readonly recording: StoredRecording;
  bytes: number;
}

/** Records what users do that an admin has asked for, on this node as on all others. */
export class Recorder {
  /** Whether anybody is recorded here: looked at for each request. */
  isOn = false;
  readonly #options: RecorderOptions;
  #active = new Map<string, Active>();
  readonly #unsubscribe: readonly (() => void)[];
  readonly #timer: NodeJS.Timeout;
  #underWay = 0;

  constructor(options: RecorderOptions) {
    this.#options = options;
    const look = () => void this.#look();
    this.#unsubscribe = [options.bus.on(CHANGED, look), options.bus.onGap(look)];
    this.#timer = setInterval(look, LOOK_MS);
    this.#timer.unref();
    look();
  }

  /** Throws AlreadyExists where the user is recorded already. Recorded from when it resolves; on other nodes a moment later. */
  async start(by: Principal, userId: string, durationMs: number): Promise<StoredRecording> {
    const { store } = this.#options;
    const now = Date.now();
    const owner = { tenantId: by.tenantId, userId };
    const running = (await store.all()).find(
      (other) => ownerKey(other) === ownerKey(owner) && other.endsAt > now,
    );
    if (running !== undefined)
      throw new GatewayError(Code.AlreadyExists, `${userId} is recorded already, by ${running.startedBy}`);
    const recording: StoredRecording = {
      id: randomUUID(),
      ...owner,
      startedBy: by.userId,
      startedAt: now,
      endsAt: now + durationMs,
    };
    await store.put(recording);
    await this.#changed();
    return recording;
  }

  /** Ends it now. Throws NotFound for a recording that the tenant does not have. */
  async stop(tenantId: string, id: string): Promise<StoredRecording> {
    const recording = await this.get(tenantId, id);
    const endsAt = Math.min(recording.endsAt, Date.now());
    const stopped = { ...recording, endsAt };
    if (endsAt < recording.endsAt) {
      await this.#options.store.put(stopped);
      await this.#changed();
    }
    return stopped;
  }

  /** Those of a tenant, the oldest first. */
  async list(tenantId: string): Promise<readonly StoredRecording[]> {
    return (await this.#options.store.all()).filter((recording) => recording.tenantId === tenantId);
  }

  async get(tenantId: string, id: string): Promise<StoredRecording> {
    const found = (await this.list(tenantId)).find((recording) => recording.id === id);
    if (found === undefined) throw new GatewayError(Code.NotFound, 'There is no such recording');
    return found;
  }

  /** What was recorded, the oldest first. Throws NotFound as `get` does. */
  async read(
    tenantId: string,
    id: string,
    after: string | undefined,
    limit: number,
  ): Promise<readonly RecordedEntry[]> {
    await this.get(tenantId, id);
    return await this.#options.store.read(id, after, limit);
  }

  /** Whether what this user does is recorded now. */
  records(owner: Owner): boolean {
    return this.#of(owner) !== undefined;
  }

  record(owner: Owner, exchanged: Exchanged): void {
    const active = this.#of(owner);
    if (active === undefined || active.bytes > MAX_BYTES || this.#underWay >= MAX_UNDER_WAY) return;
    const data = JSON.stringify(entryOf(exchanged, this.#options.bus.nodeId));
    active.bytes += data.length;
    this.#underWay++;
    this.#options.store
      .append(active.recording.id, data)
      .catch(() => {
        // The store is away, and says so by itself.
      })
      .finally(() => {
        this.#underWay--;
      });
  }

  close(): void {
    clearInterval(this.#timer);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #of(owner: Owner): Active | undefined {
    const active = this.#active.get(ownerKey(owner));
    return active !== undefined && active.recording.endsAt > Date.now() ? active : undefined;
  }

  async #changed(): Promise<void> {
    await this.#look();
    await this.#options.bus.broadcast({ kind: CHANGED }).catch(() => {
      // The others look by themselves.
    });
  }

  async #look(): Promise<void> {
    const all = await this.#options.store.all().catch(() => undefined);
    // While the store is away nothing could be recorded.
    if (all === undefined) return;
    const now = Date.now();
    const active = new Map<string, Active>();
    for (const recording of all) {
      if (recording.endsAt <= now) continue;
      const key = ownerKey(recording);
      const known = this.#active.get(key);
      const bytes = known?.recording.id === recording.id ? known.bytes : 0;
      active.set(key, { recording, bytes });
    }
    this.#active = active;
    this.isOn = active.size > 0;
  }
}

function entryOf(exchanged: Exchanged, node: string): RecordedExchange {
  const { session, method, answerBytes, messages, failure, durationMs } = exchanged;
  const request = keptBody(exchanged.request);
  const answer = exchanged.answer === undefined ? undefined : keptBody(exchanged.answer);
  return {
    v: 1,
    at: Date.now(),
    node,
    method,
    requestBytes: Buffer.byteLength(exchanged.request),
    answerBytes,
    messages,
    durationMs: Math.round(durationMs * 10) / 10,
    ...(session === undefined ? {} : { session }),
    ...(request === undefined ? {} : { request }),
    ...(answer === undefined ? {} : { answer }),
    ...(failure === undefined ? {} : { failure }),
  };
}
