import type { ChangedLists, View } from '../catalog/view.ts';
import type { SessionStore, StoredLink } from '../coordination/session-store.ts';
import { call, ownNotification, ownRequest } from '../downstream/call.ts';
import type { Connector, Deadlines, DownstreamLink, DownstreamServer } from '../downstream/port.ts';
import { lentId } from '../downstream/server-id.ts';
import { type Message, notificationText } from '../protocol/envelope.ts';
import type { Session } from '../session/session.ts';
import type { Logger } from '../telemetry/types.ts';
import { inClientTerms } from './client-terms.ts';
import { SessionLinks } from './links.ts';

const LIST_CHANGED = /^notifications\/(tools|resources|prompts)\/list_changed$/;

const LISTS = ['tools', 'prompts', 'resources'] as const;

export interface ConversationOptions {
  readonly session: Session;
  readonly view: View;
  readonly store: SessionStore;
  readonly connector: Connector;
  readonly logger: Logger;
  /** A server is talked to that no other node has talked to; called where the client's stream is not on this node. */
  readonly tellLinked: (session: Session) => void;
  readonly tellWants: (session: Session) => Promise<void>;
  /** For what the gateway itself asks a server on the client's behalf. */
  readonly ownDeadlines: Deadlines;
}

/** A client session at work on this node: its view of what exists, its links to servers, and what has to be told to whom. */
export class Conversation {
  readonly session: Session;
  readonly view: View;
  readonly links: SessionLinks;
  readonly #options: ConversationOptions;
  /** URIs the client has subscribed to, as each server knows them, to be told again to a server that began anew. */
  readonly #subscriptions = new Map<string, Set<string>>();
  /** Servers that had begun anew when they were opened here. */
  readonly #forgetful = new Set<string>();
  /** Which server a task of the client's was made for. */
  readonly #taskHome = new Map<string, string>();
  /** Lists that have changed and of which the client, not connected here, has not heard. */
  readonly #untold = new Set<(typeof LISTS)[number]>();
  readonly #unsubscribe: () => void;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.session = options.session;
    this.view = options.view;
    this.view.users++;
    this.#unsubscribe = this.view.onChange((changed) => this.#listsChanged(changed));
    for (const [serverId, uris] of Object.entries(options.session.state.subscriptions)) {
      this.#subscriptions.set(serverId, new Set(uris));
    }
    this.links = new SessionLinks({
      session: options.session,
      store: options.store,
      connector: options.connector,
      listener: (server) => ({
        message: (message, position) => this.#fromServer(server, message, position),
        moveTo: (position) => this.session.stream.note({ serverId: server.id, position }),
        restarted: () => this.#restarted(server),
      }),
      prepare: (link, isNew) => this.#prepare(link, isNew),
      replaced: (link) => void this.#tellAgain(link),
    });
  }

  /** Closes links that nobody has used since then and that nobody listens to. */
  closeIdle(since: number): void {
    if (this.session.isBusy) return;
    this.links.closeIdle(since, (serverId) => (this.#subscriptions.get(serverId)?.size ?? 0) > 0);
  }

  /** The server has been removed or changed. */
  drop(serverId: string): void {
    for (const id of [serverId, lentId(serverId, this.view.owner)]) {
      this.links.drop(id);
      this.#subscriptions.delete(id);
    }
  }

  subscribed(serverId: string, uri: string, on: boolean): void {
    const uris = this.#subscriptions.get(serverId) ?? new Set<string>();
    if (on) this.#subscriptions.set(serverId, uris.add(uri));
    else uris.delete(uri);
    const { store, tellWants } = this.#options;
    const isKept = this.links.peek(serverId)?.wants === undefined;
    store
      .setSubscription(this.session.id, serverId, uri, on)
      .then(() => (isKept ? undefined : tellWants(this.session)))
      .catch(() => {
        // The store is away: the server itself knows, and only a server that begins anew would have to be told again.
      });
  }

  /** The client answered a server's request with a task of its own. */
  taskMade(taskId: string, serverId: string): void {
    this.#taskHome.set(taskId, serverId);
  }

  taskHome(taskId: unknown): DownstreamLink | undefined {
    const serverId = typeof taskId === 'string' ? this.#taskHome.get(taskId) : undefined;
    return serverId === undefined ? undefined : this.links.peek(serverId);
  }

  /**
   * The client's stream is on this node now: servers may say what they have to say, from where their own streams stood.
   * Sessions that other nodes have opened are gone on with here.
   */
  async listen(): Promise<void> {
    this.#tellUntold();
    const isKnown = await this.links.reconcile().then(
      () => true,
      () => false,
    );
    for (const link of this.links.all()) this.#listenOn(link);
    // While the store is away there is nothing to learn of other nodes.
    if (!isKnown) return;
    const { sources } = await this.view.snapshot();
    const elsewhere = this.links.elsewhere;
    const servers = sources.map(({ server }) => server).filter(({ id }) => elsewhere.includes(id));
    await Promise.allSettled(servers.map((server) => this.links.get(server)));
  }

  /** The client's stream has gone to another node. */
  unlisten(): void {
    for (const link of this.links.all()) link.unlisten();
  }

  /** The session has left this node. `links`: those to be ended with it, where it ended here. */
  close(links: readonly StoredLink[] | undefined): void {
    this.#unsubscribe();
    this.view.users--;
    this.view.idleSince = Date.now();
    if (links === undefined) return this.links.releaseAll();
    const servers = new Map(this.view.current?.sources.map(({ server }) => [server.id, server]));
    void this.links.closeAll(links, (id) => servers.get(id));
  }

  /** A message of a server's in the form that the client may see; undefined for one that is not for it. */
  toClient(server: DownstreamServer, message: Message): string | undefined {
    if (message.kind === 'notification' && LIST_CHANGED.test(message.method)) {
      this.view.peek(server.id)?.changed();
      return undefined;
    }
    return inClientTerms(server, message, this.view.current);
  }

  /** Sets the level at every server that is open and has logging; others hear of it when they are opened. */
  async setLogLevel(level: string): Promise<void> {
    this.session.logLevel = level;
    await this.#options.store.setLogLevel(this.session.id, level).catch(() => {
      // The store is away: servers that other nodes open hear of the next one.
    });
    const others = this.#options.tellWants(this.session);
    await Promise.all([others, ...[...this.links.all()].map((link) => this.#tellLogLevel(link))]);
  }

  /** Takes over what the client has told other nodes, and tells the links whose servers keep no session. */
  async wantsChanged(): Promise<void> {
    const stored = await this.#options.store.peek(this.session.id);
    if (stored === undefined) return;
    this.session.logLevel = stored.logLevel;
    this.#subscriptions.clear();
    for (const [serverId, uris] of Object.entries(stored.subscriptions))
      this.#subscriptions.set(serverId, new Set(uris));
    for (const link of this.links.all())
      link.wants?.(stored.logLevel, stored.subscriptions[link.server.id] ?? []);
  }

  rootsChanged(): void {
    const notification = ownNotification('notifications/roots/list_changed');
    for (const link of this.links.all()) link.send(notification);
  }

  async #prepare(link: DownstreamLink, isNew: boolean): Promise<void> {
    if (link.wants !== undefined && !isNew) await this.#recall(link);
    else if (this.#forgetful.delete(link.server.id)) await this.#tellAgain(link);
    else if (isNew) await this.#tellLogLevel(link);
    if (this.session.isListening) this.#listenOn(link);
    else if (isNew && link.portable !== undefined) this.#options.tellLinked(this.session);
  }

  /** From where the stream of this session with the server stands, and not while another node may still listen to it. */
  #listenOn(link: DownstreamLink): void {
    const { stream } = this.session;
    const listen = () => {
      if (stream.isListening) link.listen(stream.origins[link.server.id]);
    };
    if (stream.handover === undefined) listen();
    else void stream.handover.then(listen);
  }

  #fromServer(server: DownstreamServer, message: Message, position: string | undefined): void {
    const text = this.toClient(server, message);
    if (text === undefined) return;
    const origin = position === undefined ? undefined : { serverId: server.id, position };
    this.session.stream.send(text, origin);
  }

  #restarted(server: DownstreamServer): void {
    this.view.peek(server.id)?.changed();
    const link = this.links.peek(server.id);
    if (link === undefined) this.#forgetful.add(server.id);
    else this.#tellAgain(link).catch(() => {});
  }

  /** Other nodes may have been told what the client wants of a server that keeps no session. */
  async #recall(link: DownstreamLink): Promise<void> {
    await this.wantsChanged().catch(() => {
      // The store is away: as far as this node knows.
    });
    link.wants?.(this.session.logLevel, [...(this.#subscriptions.get(link.server.id) ?? [])]);
  }

  /** What the client had asked for, on whichever node; while the store is away, as far as this one knows. */
  async #tellAgain(link: DownstreamLink): Promise<void> {
    const serverId = link.server.id;
    const stored = await this.#options.store.peek(this.session.id).catch(() => undefined);
    const uris = new Set(stored?.subscriptions[serverId] ?? this.#subscriptions.get(serverId));
    this.session.logLevel = stored?.logLevel ?? this.session.logLevel;
    const resubscribe = [...uris].map((uri) => this.#ask(link, 'resources/subscribe', { uri }));
    await Promise.all([this.#tellLogLevel(link), ...resubscribe]);
  }

  async #tellLogLevel(link: DownstreamLink): Promise<void> {
    const level = this.session.logLevel;
    if (level === undefined || !Object.hasOwn(link.handshake.capabilities, 'logging')) return;
    await this.#ask(link, 'logging/setLevel', { level });
  }

  /** Logged and no more where the server refuses: the client's own request must not fail because of it. */
  async #ask(link: DownstreamLink, method: string, params: Readonly<Record<string, unknown>>): Promise<void> {
    try {
      await call(link, ownRequest(method, params), this.#options.ownDeadlines, new AbortController().signal);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#options.logger.warn('a server refused what its client had asked for', {
        server: link.server.name,
        method,
        reason,
      });
    }
  }

  /** Every node that has the session sees the change; the one that the client is connected to tells it. */
  #listsChanged(changed: ChangedLists): void {
    for (const list of LISTS) if (changed[list]) this.#untold.add(list);
    if (this.session.usedStream?.isOpen === true) this.#tellUntold();
  }

  #tellUntold(): void {
    for (const list of this.#untold)
      this.session.stream.send(notificationText(`notifications/${list}/list_changed`));
    this.#untold.clear();
  }
}
