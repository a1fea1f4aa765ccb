import type { Owner } from '../auth/principal.ts';
import type { Bus } from '../coordination/bus.ts';
import type { ListedSession, SessionStore, SessionsOf } from '../coordination/session-store.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { storeTtlMs } from './lifetime.ts';
import type { Sessions } from './sessions.ts';
import { SessionSurvey } from './survey.ts';

/** A session as operators and its user see it. Its id is left out: whoever has it could go on as its client. */
export interface SessionFacts extends Owner {
  readonly mark: string;
  readonly protocolVersion: string;
  /** What the client says of itself; cut, since it may be anything. */
  readonly client: { readonly name: string; readonly version: string };
  /** Milliseconds since the epoch. */
  readonly createdAt: number;
  /** As above; where no node has it in hand, as exact as nodes tell the store: 10 seconds. */
  readonly lastUsedAt: number;
  readonly nodes: readonly string[];
  readonly streamNode: string | undefined;
  readonly streams: number;
  readonly requests: number;
}

interface SessionPage {
  readonly items: readonly SessionFacts[];
  /** The mark after which the next page begins; absent on the last. */
  readonly next?: string;
  readonly total: number;
}

export interface DirectoryOptions {
  readonly store: SessionStore;
  readonly bus: Bus;
  readonly sessions: Pick<Sessions, 'inHand' | 'endStored'>;
  readonly idleMs: number;
}

const MAX_SAID = 100;

/** Sessions of all nodes, for whoever looks after them. */
export class SessionDirectory {
  readonly #options: DirectoryOptions;
  readonly #survey: SessionSurvey;

  constructor(options: DirectoryOptions) {
    this.#options = options;
    const { bus, sessions } = options;
    this.#survey = new SessionSurvey({ bus, find: (id) => sessions.inHand(id) });
  }

  /** Those whose time is over and that nobody has ended yet are among them. Rejects with Unavailable while the store is away. */
  async page(of: SessionsOf, after: string | undefined, limit: number): Promise<SessionPage> {
    const { items, next, total } = await this.#options.store.list(of, after, limit);
    return { items: await this.#facts(items), total, ...(next === undefined ? {} : { next }) };
  }

  /** Ends a session on all nodes, and what it has at servers. Rejects with SessionNotFound for one that is not among these. */
  async end({ tenantId, userId }: SessionsOf, mark: string): Promise<SessionFacts> {
    const listed = await this.#options.store.find(tenantId, mark);
    if (listed === undefined || (userId !== undefined && listed.session.userId !== userId))
      throw new GatewayError(Code.SessionNotFound, 'There is no such session');
    const [facts] = await this.#facts([listed]);
    await this.#options.sessions.endStored(listed.session.id);
    return facts as SessionFacts;
  }

  close(): void {
    this.#survey.close();
  }

  async #facts(listed: readonly ListedSession[]): Promise<readonly SessionFacts[]> {
    const uses = await this.#survey.of(listed);
    const now = Date.now();
    const ttlMs = storeTtlMs(this.#options.idleMs);
    return listed.map(({ session, mark, nodes, holder, leftMs }) => {
      const use = uses.get(session.id);
      const unusedMs = use?.unusedMs ?? Math.max(0, ttlMs - leftMs);
      const said = (name: string) => String(session.clientInfo[name] ?? '').slice(0, MAX_SAID);
      return {
        mark,
        tenantId: session.tenantId,
        userId: session.userId,
        protocolVersion: session.protocolVersion,
        client: { name: said('name'), version: said('version') },
        createdAt: session.createdAt,
        lastUsedAt: Math.max(session.createdAt, now - unusedMs),
        nodes: [...nodes].sort(),
        streamNode: holder,
        streams: use?.streams ?? 0,
        requests: use?.requests ?? 0,
      };
    });
  }
}
