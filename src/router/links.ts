import type { SessionStore, StoredLink } from '../coordination/session-store.ts';
import type {
  Connector,
  DownstreamLink,
  DownstreamServer,
  LinkListener,
  OpenOptions,
  PortableLink,
  ServerHandshake,
} from '../downstream/port.ts';
import type { Session } from '../session/session.ts';

export interface LinksOptions {
  readonly session: Session;
  readonly store: SessionStore;
  readonly connector: Connector;
  /** Who hears what a server says outside any request. */
  readonly listener: (server: DownstreamServer) => LinkListener;
  /** Done with each link before anyone uses it; `isNew`: the server has not heard of this client yet. */
  readonly prepare: (link: DownstreamLink, isNew: boolean) => Promise<void>;
  /** This link has taken the place of one whose session only this node knew: what was asked of that is to be asked again. */
  readonly replaced: (link: DownstreamLink) => void;
}

interface OpenLink {
  readonly revision: number;
  readonly opening: Promise<DownstreamLink>;
  readonly abort: AbortController;
  link: DownstreamLink | undefined;
  /** Milliseconds since the epoch. */
  lastUsed: number;
}

/**
 * The sessions that a client session has with servers, one for each: opened by the first request that needs it, on
 * whichever node that lands, and written down, so that other nodes go on with it in place of opening their own.
 */
export class SessionLinks {
  readonly #options: LinksOptions;
  readonly #open = new Map<string, OpenLink>();
  /** As far as this node knows: links that some node has opened. */
  readonly #stored: Map<string, StoredLink>;
  /** Others have taken their place; calls may still be under way in them. */
  readonly #replaced = new Set<DownstreamLink>();

  constructor(options: LinksOptions) {
    this.#options = options;
    this.#stored = new Map(options.session.state.links.map((link) => [link.serverId, link]));
  }

  /** The link to a server where it is open already: the usual case, and one without a promise. */
  now(server: DownstreamServer): DownstreamLink | undefined {
    const open = this.#open.get(server.id);
    if (open?.revision !== server.revision) return undefined;
    open.lastUsed = Date.now();
    return open.link;
  }

  async get(server: DownstreamServer): Promise<DownstreamLink> {
    const open = this.#open.get(server.id);
    if (open?.revision === server.revision) return open.opening;
    if (open !== undefined) this.#discard(server.id, open, 'close');
    return this.#start(server);
  }

  /** An open link by server id. */
  peek(serverId: string): DownstreamLink | undefined {
    return this.#open.get(serverId)?.link;
  }

  /** Whether this session has a link to the server, on this node or as far as is known on another. */
  has(serverId: string): boolean {
    return this.#open.has(serverId) || this.#stored.has(serverId);
  }

  *all(): Iterable<DownstreamLink> {
    for (const { link } of this.#open.values()) if (link !== undefined) yield link;
  }

  /** Servers with which some node has a session, and this one not yet. */
  get elsewhere(): readonly string[] {
    return [...this.#stored.keys()].filter((id) => !this.#open.has(id));
  }

  /** What another node has opened meanwhile. */
  async refresh(): Promise<void> {
    const { session, store } = this.#options;
    const loaded = await store.peek(session.id);
    for (const link of loaded?.links ?? []) this.#stored.set(link.serverId, link);
  }

  /** While the store was away this node may have opened a session where another had one: goes on in the one in force. */
  async reconcile(): Promise<void> {
    await this.refresh();
    const own = [...this.#open].filter(([serverId, { link }]) => {
      const sessionId = link?.portable?.sessionId;
      return sessionId !== undefined && this.#stored.get(serverId)?.sessionId !== sessionId;
    });
    await Promise.all(own.map(([serverId, open]) => this.#reconcile(serverId, open)));
  }

  /** Closes links that nobody has used since then, but those that `keep` wants. The next request opens them again. */
  closeIdle(since: number, keep: (serverId: string) => boolean): void {
    for (const [serverId, open] of this.#open) {
      if (open.lastUsed >= since || keep(serverId)) continue;
      // A process is shared: other nodes of the session may be using it.
      this.#discard(serverId, open, this.#isProcess(serverId) ? 'release' : 'close');
    }
    this.#closeReplaced();
  }

  /** The server has been removed or changed. */
  drop(serverId: string): void {
    this.#stored.delete(serverId);
    const open = this.#open.get(serverId);
    if (open !== undefined) this.#discard(serverId, open, 'close');
  }

  /** Leaves the sessions to other nodes. */
  releaseAll(): void {
    this.#closeReplaced();
    for (const [serverId, open] of this.#open) this.#discard(serverId, open, 'release');
  }

  /** Ends the sessions, those that only other nodes have used included. `serverOf` finds a server that still exists. */
  async closeAll(
    links: readonly StoredLink[],
    serverOf: (id: string) => DownstreamServer | undefined,
  ): Promise<void> {
    this.#closeReplaced();
    const own = new Set(this.#open.keys());
    for (const [serverId, open] of this.#open) {
      this.#stored.delete(serverId);
      this.#discard(serverId, open, 'end');
    }
    // At a process there is nothing to end but what other nodes hold, who let go by themselves. Others may have been opened
    // elsewhere without this node having heard of it.
    const left = links.filter(({ serverId, transport }) => transport !== 'process' && !own.has(serverId));
    await Promise.allSettled(
      left.map(async (stored) => {
        const server = serverOf(stored.serverId);
        if (server?.revision !== stored.revision) return;
        const link = await this.#connect(server, new AbortController(), stored);
        await link.close();
      }),
    );
  }

  async #start(server: DownstreamServer): Promise<DownstreamLink> {
    const abort = new AbortController();
    const stored = this.#stored.get(server.id);
    const usable = stored?.revision === server.revision ? stored : undefined;
    const opening = this.#connect(server, abort, usable).then(async (link) => {
      await this.#options.prepare(link, usable === undefined);
      return link;
    });
    const open: OpenLink = {
      revision: server.revision,
      opening,
      abort,
      link: undefined,
      lastUsed: Date.now(),
    };
    this.#open.set(server.id, open);
    try {
      const link = await opening;
      open.link = link;
      return link;
    } catch (error) {
      // A link that could not be opened is tried again by the next request.
      if (this.#open.get(server.id) === open) this.#open.delete(server.id);
      throw error;
    }
  }

  async #connect(
    server: DownstreamServer,
    abort: AbortController,
    stored: StoredLink | undefined,
  ): Promise<DownstreamLink> {
    const { session, connector, listener } = this.#options;
    const options: OpenOptions = {
      clientCapabilities: session.hello.capabilities,
      listener: listener(server),
      signal: abort.signal,
      session: session.id,
      renewed: (opened, lost) => this.#claim(server, opened, lost),
    };
    if (stored !== undefined) return connector.open(server, { ...options, resume: fromStored(stored) });
    const link = await connector.open(server, options);
    const { portable } = link;
    if (portable === undefined) return link;
    const inForce = await this.#claim(server, portable, undefined);
    if (inForce.sessionId === portable.sessionId) return link;
    // Another node was faster: one session with the server is enough.
    void link.close();
    return connector.open(server, { ...options, resume: inForce });
  }

  async #reconcile(serverId: string, open: OpenLink): Promise<void> {
    const { link, revision } = open;
    const portable = link?.portable;
    if (link === undefined || portable?.sessionId === undefined) return;
    const stored = this.#stored.get(serverId);
    if (stored === undefined) await this.#claim(link.server, portable, undefined);
    const inForce = stored ?? this.#stored.get(serverId);
    if (inForce?.revision !== revision || inForce.sessionId === portable.sessionId) return;
    const abort = new AbortController();
    const adopted = await this.#connect(link.server, abort, inForce);
    // Meanwhile the link may have begun anew, or the session have ended.
    if (this.#open.get(serverId) !== open || link.portable?.sessionId !== portable.sessionId)
      return adopted.release();
    this.#open.set(serverId, { ...open, opening: Promise.resolve(adopted), abort, link: adopted });
    link.unlisten();
    this.#replaced.add(link);
    this.#options.replaced(adopted);
  }

  #closeReplaced(): void {
    for (const link of this.#replaced) link.close().catch(() => {});
    this.#replaced.clear();
  }

  /** Writes a link down. While the store is away this node goes on with its own. */
  async #claim(
    server: DownstreamServer,
    opened: PortableLink,
    lost: PortableLink | undefined,
  ): Promise<PortableLink> {
    const { session, store } = this.#options;
    const replaces = lost === undefined ? undefined : toStored(server, lost);
    const inForce = await store
      .claimLink(session.id, toStored(server, opened), replaces)
      .catch(() => undefined);
    if (inForce === undefined) return opened;
    this.#stored.set(server.id, inForce);
    return fromStored(inForce);
  }

  #isProcess(serverId: string): boolean {
    return this.#stored.get(serverId)?.transport === 'process';
  }

  /** `close`: ended, and no other node need know of it; `end`: the same, where the whole session ends; `release`: left to others. */
  #discard(serverId: string, open: OpenLink, how: 'close' | 'end' | 'release'): void {
    this.#open.delete(serverId);
    open.abort.abort();
    if (how === 'close') {
      this.#stored.delete(serverId);
      this.#options.store.dropLink(this.#options.session.id, serverId).catch(() => {});
    }
    open.opening.then((link) => (how === 'release' ? link.release() : link.close())).catch(() => {});
  }
}

function toStored(server: DownstreamServer, link: PortableLink): StoredLink {
  return {
    serverId: server.id,
    revision: server.revision,
    transport: server.target.kind === 'stdio' ? 'process' : 'streamable',
    handshake: { ...link.handshake },
    ...(link.sessionId === undefined ? {} : { sessionId: link.sessionId }),
  };
}

/** What was stored is what a handshake was, by this or another node. */
export function fromStored(stored: StoredLink): PortableLink {
  const handshake = stored.handshake as unknown as ServerHandshake;
  return stored.sessionId === undefined ? { handshake } : { handshake, sessionId: stored.sessionId };
}
