import { randomBytes } from 'node:crypto';
import { ownerKey, type Principal } from '../../auth/principal.ts';
import type { SessionStore, StoredLink } from '../../coordination/session-store.ts';
import { ownRefusal } from '../../downstream/call.ts';
import type { DownstreamLink, DownstreamServer } from '../../downstream/port.ts';
import { isUseOf } from '../../downstream/server-id.ts';
import type { Message, RequestMessage } from '../../protocol/envelope.ts';
import type { Capabilities } from '../../protocol/modern/meta.ts';
import { LATEST_LEGACY } from '../../protocol/versions.ts';
import { closeOrphanLinks, type OrphanLinksOptions } from '../orphan-links.ts';

/** A session that nobody has used for so long is closed, in milliseconds. */
const IDLE_MS = 120_000;

/** More sessions of one kind are not kept for later. */
const KEPT_IDLE = 4;

/** How often sessions are looked after, in milliseconds. */
const SWEEP_MS = 30_000;

/** For how long the store remembers a session whose node has gone, in milliseconds. */
const REMEMBERED_MS = 10 * 60_000;

/** Told of what a server says while a call has its session. */
export interface SessionUser {
  asked(request: RequestMessage): void;
  heard(message: Message): void;
}

/** A session with a legacy server that one call at a time has to itself. */
export interface ExclusiveSession {
  /** Under which the store knows it, so that another node can end it when this one has gone. */
  readonly id: string;
  readonly link: DownstreamLink;
  user: SessionUser | undefined;
}

export interface ExclusiveOptions extends OrphanLinksOptions {
  readonly store: SessionStore;
  readonly nodeId: string;
}

interface Kept {
  readonly session: ExclusiveSession;
  readonly server: DownstreamServer;
  /** Milliseconds since the epoch. */
  since: number;
}

/**
 * Sessions with legacy servers for calls in which the server may ask its client something: each declares exactly what the
 * caller can do, and is one call's until that is answered. What is left over is kept a while for the next such call.
 */
export class ExclusiveSessions {
  readonly #options: ExclusiveOptions;
  readonly #idle = new Map<string, Kept[]>();
  readonly #open = new Map<ExclusiveSession, { readonly key: string; readonly server: DownstreamServer }>();
  readonly #sweeper: NodeJS.Timeout;
  #isClosed = false;

  constructor(options: ExclusiveOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => void this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  /** Rejects as opening a link does. */
  async take(
    principal: Principal,
    server: DownstreamServer,
    capabilities: Capabilities,
    signal: AbortSignal,
  ): Promise<ExclusiveSession> {
    const key = JSON.stringify([ownerKey(principal), server.id, server.revision, capabilities]);
    const kept = this.#idle.get(key)?.pop();
    if (kept !== undefined) {
      this.#open.set(kept.session, { key, server });
      return kept.session;
    }
    const session = await this.#start(principal, server, capabilities, signal);
    this.#open.set(session, { key, server });
    return session;
  }

  /** The call was answered: the server waits for nothing. */
  giveBack(session: ExclusiveSession): void {
    const open = this.#open.get(session);
    this.#open.delete(session);
    session.user = undefined;
    if (open === undefined) return;
    const kept = this.#idle.get(open.key) ?? [];
    if (this.#isClosed || kept.length >= KEPT_IDLE) return void this.#end(session);
    this.#idle.set(open.key, kept);
    kept.push({ session, server: open.server, since: Date.now() });
  }

  /** The call ended otherwise: what the server still does for it must not meet the next one. */
  discard(session: ExclusiveSession): void {
    this.#open.delete(session);
    session.user = undefined;
    void this.#end(session);
  }

  /** Ends a session that a node had which has gone. Another principal's stays. */
  async endLost(principal: Principal, id: string): Promise<void> {
    const { store } = this.#options;
    const found = await store.peek(id);
    if (found?.session.tenantId !== principal.tenantId || found.session.userId !== principal.userId) return;
    const ended = await store.delete(id);
    if (ended !== undefined)
      await closeOrphanLinks(principal, found.session.capabilities, ended.loaded.links, this.#options);
  }

  drop(serverId: string): void {
    for (const [key, kept] of this.#idle) {
      if (kept[0] === undefined || !isUseOf(kept[0].server.id, serverId)) continue;
      this.#idle.delete(key);
      for (const { session } of kept) void this.#end(session);
    }
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    clearInterval(this.#sweeper);
    const all = [...this.#open.keys(), ...[...this.#idle.values()].flat().map(({ session }) => session)];
    this.#open.clear();
    this.#idle.clear();
    await Promise.allSettled(all.map((session) => this.#end(session)));
  }

  async #start(
    principal: Principal,
    server: DownstreamServer,
    capabilities: Capabilities,
    signal: AbortSignal,
  ): Promise<ExclusiveSession> {
    const id = `call-${randomBytes(18).toString('base64url')}`;
    let session: ExclusiveSession | undefined;
    let link: DownstreamLink | undefined;
    link = await this.#options.connector.open(server, {
      clientCapabilities: capabilities,
      listener: {
        message: (message) => {
          const user = session?.user;
          if (message.kind !== 'request') user?.heard(message);
          else if (user !== undefined) user.asked(message);
          else link?.send(ownRefusal(message.id, 'No client is connected that could answer'));
        },
        restarted: () => {},
      },
      signal,
      session: id,
    });
    session = { id, link, user: undefined };
    // Many servers ask on the session's own stream, and not on the one of the call that they ask in.
    link.listen();
    await this.#note(id, principal, server, capabilities, link);
    return session;
  }

  /** So that the session can be ended when this node has gone. Without the store it is not: the server's own time ends it. */
  async #note(
    id: string,
    principal: Principal,
    server: DownstreamServer,
    capabilities: Capabilities,
    link: DownstreamLink,
  ): Promise<void> {
    const { portable } = link;
    if (portable?.sessionId === undefined) return;
    const { tenantId, userId, roles } = principal;
    const stored: StoredLink = {
      serverId: server.id,
      revision: server.revision,
      transport: 'streamable',
      handshake: { ...portable.handshake },
      sessionId: portable.sessionId,
    };
    try {
      await this.#options.store.create(
        {
          id,
          tenantId,
          userId,
          roles,
          protocolVersion: LATEST_LEGACY,
          clientInfo: {},
          capabilities,
          createdAt: Date.now(),
        },
        this.#options.nodeId,
        REMEMBERED_MS,
      );
      await this.#options.store.claimLink(id, stored, undefined);
    } catch {
      // As said above.
    }
  }

  async #end(session: ExclusiveSession): Promise<void> {
    await Promise.allSettled([session.link.close(), this.#options.store.delete(session.id)]);
  }

  async #sweep(): Promise<void> {
    const since = Date.now() - IDLE_MS;
    for (const [key, kept] of this.#idle) {
      const [old, young] = [
        kept.filter((each) => each.since < since),
        kept.filter((each) => each.since >= since),
      ];
      if (young.length > 0) this.#idle.set(key, young);
      else this.#idle.delete(key);
      for (const { session } of old) void this.#end(session);
    }
    const ids = [...this.#open.keys(), ...[...this.#idle.values()].flat().map(({ session }) => session)];
    if (ids.length > 0)
      await this.#options.store
        .touch(
          ids.map(({ id }) => id),
          REMEMBERED_MS,
        )
        .catch(() => []);
  }
}
