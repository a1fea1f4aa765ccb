import type { Bus, BusMessage } from '../coordination/bus.ts';
import type { ListedSession } from '../coordination/session-store.ts';
import type { Session } from './session.ts';

/** To a node: what it knows of these sessions. */
const ASK = 'sessions.ask';
/** Its answer. */
const TELL = 'sessions.tell';

/** How long a node is waited for, in milliseconds. */
const PATIENCE_MS = 500;

/** What nodes know of a session, and the store does not. */
export interface SessionUse {
  /** Connections that its streams have. */
  readonly streams: number;
  /** Requests under way. */
  readonly requests: number;
  /** Milliseconds since it was used. */
  readonly unusedMs: number;
}

type Uses = Map<string, SessionUse>;

export interface SurveyOptions {
  readonly bus: Bus;
  /** A session that this node has in hand. */
  readonly find: (id: string) => Session | undefined;
}

/** Asks nodes how sessions are used that they have in hand. Nodes that do not answer in time are left out. */
export class SessionSurvey {
  readonly #options: SurveyOptions;
  readonly #asked = new Map<string, (told: readonly unknown[]) => void>();
  readonly #unsubscribe: readonly (() => void)[];
  #lastKey = 0;

  constructor(options: SurveyOptions) {
    this.#options = options;
    const { bus } = options;
    this.#unsubscribe = [
      bus.on(ASK, (message, from) => this.#answer(message, from)),
      bus.on(TELL, ({ key, told }) => this.#asked.get(String(key))?.(Array.isArray(told) ? told : [])),
    ];
  }

  /** By session id; a session that no node has in hand has none. */
  async of(listed: readonly ListedSession[]): Promise<ReadonlyMap<string, SessionUse>> {
    const byNode = new Map<string, string[]>();
    for (const { session, nodes } of listed) {
      for (const node of nodes) byNode.set(node, [...(byNode.get(node) ?? []), session.id]);
    }
    const uses: Uses = new Map();
    const asked = [...byNode].map(async ([node, ids]) => {
      const told = node === this.#options.bus.nodeId ? this.#own(ids) : await this.#ask(node, ids);
      for (const entry of told) addTo(uses, entry);
    });
    await Promise.all(asked);
    return uses;
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const over of this.#asked.values()) over([]);
  }

  async #ask(node: string, sessions: readonly string[]): Promise<readonly unknown[]> {
    const key = String(++this.#lastKey);
    const { promise, resolve } = Promise.withResolvers<readonly unknown[]>();
    const timer = setTimeout(() => resolve([]), PATIENCE_MS);
    this.#asked.set(key, resolve);
    const isThere = await this.#options.bus.send(node, { kind: ASK, key, sessions }).catch(() => false);
    if (!isThere) resolve([]);
    const told = await promise;
    clearTimeout(timer);
    this.#asked.delete(key);
    return told;
  }

  #answer({ key, sessions }: BusMessage, from: string): void {
    const told = this.#own(Array.isArray(sessions) ? sessions.map(String) : []);
    this.#options.bus.send(from, { kind: TELL, key, told }).catch(() => {
      // It does not wait for long.
    });
  }

  #own(ids: readonly string[]): readonly (readonly [string, number, number, number])[] {
    const now = Date.now();
    return ids.flatMap((id) => {
      const session = this.#options.find(id);
      if (session === undefined) return [];
      const { connections, requests, lastUsed, isBusy } = session;
      return [[id, connections, requests, isBusy ? 0 : Math.max(0, now - lastUsed)] as const];
    });
  }
}

/** What comes from other nodes may be of another version. */
function addTo(uses: Uses, entry: unknown): void {
  if (!Array.isArray(entry)) return;
  const [id, streams, requests, unusedMs] = entry as readonly unknown[];
  if (typeof id !== 'string' || ![streams, requests, unusedMs].every(Number.isFinite)) return;
  const known = uses.get(id) ?? { streams: 0, requests: 0, unusedMs: Number.POSITIVE_INFINITY };
  uses.set(id, {
    streams: known.streams + Number(streams),
    requests: known.requests + Number(requests),
    unusedMs: Math.min(known.unusedMs, Number(unusedMs)),
  });
}
