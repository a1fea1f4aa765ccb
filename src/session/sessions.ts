import { randomBytes } from 'node:crypto';
import type { Principal } from '../auth/principal.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type ClientHello, Session } from './session.ts';

export interface SessionsOptions {
  /** Milliseconds without a request, a stream or a call under way after which a session ends. */
  readonly idleMs: number;
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
    for (const session of this.#sessions.values()) count += session.stream.count;
    return count;
  }

  open(principal: Principal, hello: ClientHello): Session {
    const session = new Session(randomBytes(24).toString('base64url'), principal, hello);
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
    session.stream.end();
    for (const request of session.inFlight.values()) request.cancel();
    this.#options.onEnd(session);
  }

  close(): void {
    clearInterval(this.#sweeper);
    for (const session of [...this.#sessions.values()]) this.end(session);
  }

  #sweep(): void {
    const limit = Date.now() - this.#options.idleMs;
    for (const session of this.#sessions.values()) {
      if (session.lastUsed < limit && !session.isBusy) this.end(session);
    }
  }
}

function isOwn(session: Session, principal: Principal): boolean {
  return session.principal.tenantId === principal.tenantId && session.principal.userId === principal.userId;
}
