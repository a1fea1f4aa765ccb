import { isSamePrincipal, type Principal } from '../auth/principal.ts';
import type { Bus, BusMessage } from '../coordination/bus.ts';
import { markOf } from '../coordination/session-mark.ts';
import type { EndedSession, SessionStore, StoredLink } from '../coordination/session-store.ts';
import { type EventFields, type EventLog, NO_EVENTS } from '../events/event.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { STREAM_LEFT, STREAM_MOVED } from './handover.ts';
import { storeTtlMs, sweepMs } from './lifetime.ts';
import { randomToken } from './random-token.ts';
import { type ClientHello, Session, type SessionParts, type SessionState } from './session.ts';
import { STREAM_EVENT } from './standalone-stream.ts';
import { freshState, fromStored, toStored } from './stored.ts';

export interface SessionsOptions extends SessionParts {
  /** Milliseconds without a request, a stream or a call under way after which a session ends. */
  readonly idleMs: number;
  readonly store: SessionStore;
  /** This node no longer has the session. `links` where it ended here: sessions with servers that are to be closed. */
  readonly onGone: (session: Session, links: readonly StoredLink[] | undefined) => void;
  /** Another node has opened a session with a server for this one. */
  readonly onLinked: (session: Session) => void;
  readonly events?: EventLog;
}

const ENDED = 'session.ended';
const CANCEL = 'session.cancel';
const LINKED = 'session.linked';

const SHUT_DOWN = new GatewayError(
  Code.Unavailable,
  'The gateway is shutting down and the request took too long; its outcome is unknown',
);

/** The sessions that this node has in hand. Any node can take any session in hand: what it is stands in the store. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #loading = new Map<string, Promise<Session | undefined>>();
  readonly #sweeper: NodeJS.Timeout;
  readonly #unsubscribe: readonly (() => void)[];
  #sweptAt = Date.now();
  #sweeping: Promise<void> | undefined;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweepOnce(), sweepMs(options.idleMs));
    this.#sweeper.unref();
    const { bus } = options;
    this.#unsubscribe = [
      bus.on(ENDED, (message) => this.#forget(message)),
      bus.on(CANCEL, (message) =>
        this.#onSession(message)?.inFlight.get(String(message['request']))?.cancel(),
      ),
      bus.on(LINKED, (message) => this.#linked(message)),
      bus.on(STREAM_MOVED, (message, from) => this.#moved(message, from)),
      bus.on(STREAM_LEFT, (message, from) => this.#onSession(message)?.usedStream?.left(from)),
      bus.on(STREAM_EVENT, (message) => {
        const { sequence, data } = message;
        const text = data === undefined ? undefined : String(data);
        this.#onSession(message)?.usedStream?.receive(Number(sequence), text);
      }),
      bus.onGap(() => this.#caughtUp()),
    ];
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Client streams that are open now. */
  get streams(): number {
    let count = 0;
    for (const session of this.#sessions.values()) count += session.connections;
    return count;
  }

  /** Requests under way on this node. */
  get inFlight(): number {
    let count = 0;
    for (const session of this.#sessions.values()) count += session.requests;
    return count;
  }

  /** Rejects with Unavailable while the store is away: a session that only one node knows would be lost with it. */
  async open(principal: Principal, hello: ClientHello): Promise<Session> {
    const id = randomToken(24);
    const { store, bus } = this.#options;
    const stored = toStored(id, principal, hello);
    await store.create(stored, bus.nodeId, this.#ttlMs);
    const session = this.#add(id, principal, hello, freshState(stored));
    (this.#options.events ?? NO_EVENTS).append(sessionEvent(principal, hello, id, 'opened'));
    return session;
  }

  /**
   * A session in hand at once, another by a promise. Throws and rejects with SessionNotFound: for an unknown id, an ended
   * session, and another principal's alike.
   */
  find(principal: Principal, id: string): Session | Promise<Session> {
    const session = this.#sessions.get(id);
    if (session === undefined) return this.#load(id).then((loaded) => this.#check(principal, loaded));
    return this.#check(principal, session);
  }

  /** A session that this node has in hand, whoever it belongs to: for what other nodes ask. */
  inHand(id: string): Session | undefined {
    return this.#sessions.get(id);
  }

  /** Ends a session everywhere. Rejects with Unavailable while the store is away: the session is closed here, and lives on there. */
  async end(session: Session): Promise<void> {
    if (!this.#sessions.delete(session.id)) return;
    const { store, bus, onGone } = this.#options;
    this.#close(session);
    let ended: EndedSession | undefined;
    try {
      ended = await store.delete(session.id);
    } finally {
      onGone(session, ended?.loaded.links ?? []);
    }
    (this.#options.events ?? NO_EVENTS).append(
      sessionEvent(session.principal, session.hello, session.id, 'ended'),
    );
    const others = (ended?.nodes ?? []).filter((node) => node !== bus.nodeId);
    await tellEnded(bus, session.id, others);
  }

  /** The API keys that sessions in hand were opened with. */
  get keyIds(): ReadonlySet<string> {
    const ids = new Set<string>();
    for (const { principal } of this.#sessions.values())
      if (principal.keyId !== undefined) ids.add(principal.keyId);
    return ids;
  }

  /** Ends the sessions in hand that were opened with an API key. */
  endOf(keyId: string): void {
    for (const session of this.#sessions.values()) {
      if (session.principal.keyId !== keyId) continue;
      this.end(session).catch(() => {
        // The store is away: closed here, its time-to-live ends it there, and nobody comes to it with the key.
      });
    }
  }

  /** As `end`, by the id of a session that this node need not have in hand. One that is gone has ended. */
  async endStored(id: string): Promise<void> {
    const session = this.#sessions.get(id) ?? (await this.#load(id));
    if (session !== undefined) await this.end(session);
  }

  /** Cancels a request that runs on another node. */
  async cancelElsewhere(session: Session, requestKey: string): Promise<void> {
    await this.#tellOthers(session, { kind: CANCEL, session: session.id, request: requestKey });
  }

  /** Tells the other nodes that have the session of a server that it talks to now: one of them may hold its stream. */
  async tellLinked(session: Session): Promise<void> {
    await this.#tellOthers(session, { kind: LINKED, session: session.id });
  }

  /** Closes the streams that belong to no request, which would never end by themselves. */
  disconnect(): void {
    for (const session of this.#sessions.values()) session.usedStream?.disconnect();
  }

  /** Ends what is under way, each with an answer that says why. `keep`: but for what other nodes go on with. */
  cut(keep = true): void {
    for (const session of this.#sessions.values()) {
      for (const request of [...session.inFlight.values()]) {
        if (!keep || request.leave?.() !== true) request.cancel(SHUT_DOWN);
      }
    }
  }

  /** Lets go of everything. `keep`: the sessions go on, on whichever node their clients come to; else those that only this node has end. */
  async close(keep = false): Promise<void> {
    clearInterval(this.#sweeper);
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    await Promise.allSettled([...this.#sessions.values()].map((session) => this.#unload(session, keep)));
  }

  get #ttlMs(): number {
    return storeTtlMs(this.#options.idleMs);
  }

  #check(principal: Principal, session: Session | undefined): Session {
    // What a session was offered is what its principal could use then: with other roles it is another's.
    if (session === undefined || !isSamePrincipal(session.principal, principal)) {
      throw new GatewayError(Code.SessionNotFound, 'Session not found; initialize again');
    }
    session.lastUsed = Date.now();
    return session;
  }

  /** Requests that come together for a session that is not in hand share one look into the store. */
  #load(id: string): Promise<Session | undefined> {
    const known = this.#loading.get(id);
    if (known !== undefined) return known;
    const loading = this.#fetch(id).finally(() => this.#loading.delete(id));
    this.#loading.set(id, loading);
    return loading;
  }

  async #fetch(id: string): Promise<Session | undefined> {
    const { store, bus } = this.#options;
    const loaded = await store.load(id, bus.nodeId, this.#ttlMs);
    if (loaded === undefined) return undefined;
    const { principal, hello, state } = fromStored(loaded);
    return this.#sessions.get(id) ?? this.#add(id, principal, hello, state);
  }

  #add(id: string, principal: Principal, hello: ClientHello, state: SessionState): Session {
    const session = new Session(id, principal, hello, state, this.#options);
    this.#sessions.set(id, session);
    return session;
  }

  #onSession(message: BusMessage): Session | undefined {
    return this.#sessions.get(String(message['session']));
  }

  /** Ended on another node, or found to be gone. */
  #forget(message: BusMessage): void {
    const session = this.#onSession(message);
    if (session === undefined) return;
    this.#sessions.delete(session.id);
    this.#close(session);
    this.#options.onGone(session, undefined);
  }

  async #tellOthers(session: Session, message: BusMessage): Promise<void> {
    const { store, bus } = this.#options;
    const others = (await store.nodesOf(session.id)).filter((node) => node !== bus.nodeId);
    await Promise.allSettled(others.map((node) => bus.send(node, message)));
  }

  #linked(message: BusMessage): void {
    const session = this.#onSession(message);
    if (session !== undefined) this.#options.onLinked(session);
  }

  #moved(message: BusMessage, to: string): void {
    this.#onSession(message)?.usedStream?.moved(Number(message['takes']));
    this.#options.bus.send(to, { kind: STREAM_LEFT, session: message['session'] }).catch(() => {
      // It does not wait for long.
    });
  }

  #close(session: Session): void {
    for (const request of [...session.inFlight.values()]) request.cancel();
    session.endStreams();
  }

  async #unload(session: Session, keep = false): Promise<void> {
    const { store, bus, onGone } = this.#options;
    await session.usedStream?.settled();
    const isLast = await store.unload(session.id, bus.nodeId).catch(() => false);
    // Where the store is away by now, its own time-to-live ends the session.
    if (isLast && !keep) return this.end(session).catch(() => {});
    if (!this.#sessions.delete(session.id)) return;
    this.#close(session);
    onGone(session, undefined);
  }

  /** One after the other, however slow the store is. */
  #sweepOnce(): void {
    this.#sweeping ??= this.#sweep().finally(() => {
      this.#sweeping = undefined;
    });
  }

  async #sweep(): Promise<void> {
    const now = Date.now();
    const since = this.#sweptAt;
    this.#sweptAt = now;
    const used: string[] = [];
    for (const session of this.#sessions.values()) {
      session.sweep(now);
      if (session.isBusy || session.lastUsed >= since) used.push(session.id);
      else if (session.lastUsed < now - this.#options.idleMs) await this.#unload(session);
    }
    await this.#touch(used);
  }

  /** Messages may have been missed: that a session has ended, or that another node talks to one more server for it. */
  #caughtUp(): void {
    for (const session of this.#sessions.values()) {
      session.usedStream?.catchUp();
      this.#options.onLinked(session);
    }
    void this.#touch([...this.#sessions.keys()]);
  }

  /** While the store is away, sessions in hand go on. */
  async #touch(ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const gone = await this.#options.store.touch(ids, this.#ttlMs).catch(() => []);
    for (const id of gone) this.#forget({ kind: ENDED, session: id });
  }
}

/** A session was opened, or has ended. What clients say of themselves is cut: it may be anything. */
export function sessionEvent(
  { tenantId, userId }: Principal,
  { clientInfo, protocolVersion }: ClientHello,
  id: string,
  action: 'opened' | 'ended',
): EventFields {
  const said = (name: string) => String(clientInfo[name] ?? '').slice(0, 100);
  const detail = { client: said('name'), clientVersion: said('version'), protocolVersion };
  return { type: 'session', action, tenantId, userId, outcome: 'ok', session: markOf(id), detail };
}

/** Tells nodes that a session which they may have in hand has ended. */
export async function tellEnded(bus: Bus, session: string, nodes: readonly string[]): Promise<void> {
  await Promise.allSettled(nodes.map((node) => bus.send(node, { kind: ENDED, session })));
}
