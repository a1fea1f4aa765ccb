import { randomBytes } from 'node:crypto';
import type { Principal } from '../auth/principal.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { EventLogLimits } from './event-log.ts';
import { type ClientHello, Session } from './session.ts';

export interface SessionsOptions {
  /** Milliseconds without a request, a stream or a call under way after which a session ends. */
  readonly idleMs: number;
  /** What is kept of each session's streams for clients that lost their connection. */
  readonly log: EventLogLimits;
  /** Called once for each session that ends, however it ends. */
  readonly onEnd: (session: Session) => void;
}

/** The sessions that are open. */
export class Sessions {
  readonly #options: SessionsOptions;
  readonly #sessions = new Map<string, Session>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: SessionsOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), Math.min(options.idleMs, 60_000));
    this.#sweeper.unref();
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Client streams that are open now. */
  get streams(): number {
    let count = 0;
    for (const session of this.#sessions.values()) {
      for (const stream of session.streams()) count += stream.count;
    }
    return count;
  }

  open(principal: Principal, hello: ClientHello): Session {
    const session = new Session(randomBytes(24).toString('base64url'), principal, hello, this.#options.log);
    this.#sessions.set(session.id, session);
    return session;
  }

  /** Throws SessionNotFound: for an unknown id, an ended session, and another principal's alike. */
  find(principal: Principal, id: string): Session {
    const session = this.#sessions.get(id);
    if (session === undefined || !isOwn(session, principal)) {
      throw new GatewayError(Code.SessionNotFound, 'Session not found; initialize again');
    }
    session.lastUsed = Date.now();
    return session;
  }

  end(session: Session): void {
    if (!this.#sessions.delete(session.id)) return;
    for (const request of [...session.inFlight.values()]) request.cancel();
    for (const stream of session.streams()) stream.end();
    this.#options.onEnd(session);
  }

  /** Closes the streams that belong to no request, which would never end by themselves. */
  disconnect(): void {
    for (const session of this.#sessions.values()) session.stream.disconnect();
  }

  close(): void {
    clearInterval(this.#sweeper);
    for (const session of [...this.#sessions.values()]) this.end(session);
  }

  #sweep(): void {
    const now = Date.now();
    const limit = now - this.#options.idleMs;
    for (const session of this.#sessions.values()) {
      session.sweep(now);
      if (session.lastUsed < limit && !session.isBusy) this.end(session);
    }
  }
}

function isOwn(session: Session, principal: Principal): boolean {
  return session.principal.tenantId === principal.tenantId && session.principal.userId === principal.userId;
}
