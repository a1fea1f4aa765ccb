import { aliasUri } from '../catalog/snapshot.ts';
import type { CatalogView, ChangedLists } from '../catalog/view.ts';
import { call, ownNotification, ownRequest } from '../downstream/call.ts';
import type { Connector, Deadlines, DownstreamLink, DownstreamServer } from '../downstream/port.ts';
import { isObject, type Message, notificationText, own, replaceAt } from '../protocol/envelope.ts';
import { encodeHomeId } from '../protocol/home-id.ts';
import { decodeTaskId, encodeTaskId, translateTaskIds } from '../protocol/task-id.ts';
import type { Session } from '../session/session.ts';
import type { Logger } from '../telemetry/types.ts';

const TASK_STATUS = 'notifications/tasks/status';

const LIST_CHANGED = /^notifications\/(tools|resources|prompts)\/list_changed$/;

export interface ConversationOptions {
  readonly session: Session;
  readonly view: CatalogView;
  readonly connector: Connector;
  readonly logger: Logger;
  /** For what the gateway itself asks a server on the client's behalf. */
  readonly ownDeadlines: Deadlines;
}

interface OpenLink {
  readonly revision: number;
  readonly opening: Promise<DownstreamLink>;
  readonly abort: AbortController;
  link: DownstreamLink | undefined;
  /** Milliseconds since the epoch. */
  lastUsed: number;
}

/** A client session and the sessions it has with the servers behind: opened by the first request that needs one, ended with it. */
export class Conversation {
  readonly session: Session;
  readonly view: CatalogView;
  readonly #options: ConversationOptions;
  readonly #links = new Map<string, OpenLink>();
  /** URIs the client has subscribed to, as each server knows them, to be told again to a server that began anew. */
  readonly #subscriptions = new Map<string, Set<string>>();
  /** Which server waits for the client's progress, by token as JSON text. */
  readonly #progressHome = new Map<string, string>();
  /** Which server a task of the client's was made for. */
  readonly #taskHome = new Map<string, string>();
  readonly #unsubscribe: () => void;

  constructor(options: ConversationOptions) {
    this.#options = options;
    this.session = options.session;
    this.view = options.view;
    this.view.users++;
    this.#unsubscribe = this.view.onChange((changed) => this.#listsChanged(changed));
  }

  /** The link to a server where it is open already: the usual case, and one without a promise. */
  linkNow(server: DownstreamServer): DownstreamLink | undefined {
    const open = this.#links.get(server.id);
    if (open?.revision !== server.revision) return undefined;
    open.lastUsed = Date.now();
    return open.link;
  }

  async link(server: DownstreamServer): Promise<DownstreamLink> {
    const open = this.#links.get(server.id);
    if (open?.revision === server.revision) return open.opening;
    if (open !== undefined) this.#discard(server.id, open);
    return this.#open(server);
  }

  /** An open link by server id, for what a client sends back. */
  openLink(serverId: string): DownstreamLink | undefined {
    return this.#links.get(serverId)?.link;
  }

  *openLinks(): Iterable<DownstreamLink> {
    for (const { link } of this.#links.values()) if (link !== undefined) yield link;
  }

  /** Closes links that nobody has used since then and that nobody listens to. The next request opens them again. */
  closeIdle(since: number): void {
    if (this.session.isBusy) return;
    for (const [serverId, open] of this.#links) {
      const isSubscribed = (this.#subscriptions.get(serverId)?.size ?? 0) > 0;
      if (open.lastUsed < since && !isSubscribed) this.#discard(serverId, open);
    }
  }

  /** The server has been removed or changed. */
  drop(serverId: string): void {
    const open = this.#links.get(serverId);
    if (open !== undefined) this.#discard(serverId, open);
    this.#subscriptions.delete(serverId);
  }

  subscribed(serverId: string, uri: string, on: boolean): void {
    const uris = this.#subscriptions.get(serverId) ?? new Set<string>();
    if (on) this.#subscriptions.set(serverId, uris.add(uri));
    else uris.delete(uri);
  }

  progressHome(token: unknown): DownstreamLink | undefined {
    const serverId = this.#progressHome.get(JSON.stringify(token));
    return serverId === undefined ? undefined : this.openLink(serverId);
  }

  /** The client answered a server's request with a task of its own. */
  taskMade(taskId: string, serverId: string): void {
    this.#taskHome.set(taskId, serverId);
  }

  taskHome(taskId: unknown): DownstreamLink | undefined {
    const serverId = typeof taskId === 'string' ? this.#taskHome.get(taskId) : undefined;
    return serverId === undefined ? undefined : this.openLink(serverId);
  }

  /** A client stream is open: servers may now say what they have to say. */
  listen(): void {
    for (const link of this.openLinks()) link.listen();
  }

  close(): void {
    this.#unsubscribe();
    this.view.users--;
    this.view.idleSince = Date.now();
    for (const [serverId, open] of this.#links) this.#discard(serverId, open);
  }

  /** A message of a server's in the form that the client may see; undefined for one that is not for it. */
  toClient(server: DownstreamServer, message: Message): string | undefined {
    const text = this.#inClientTerms(server, message);
    const taskPath =
      TASK_STATUS === (message.kind === 'notification' && message.method) ? ['params', 'taskId'] : undefined;
    return text && translateTaskIds(text, taskPath, (taskId) => encodeTaskId(server.id, taskId));
  }

  /** A message of the client's as a server may see it: tasks of the server's by the server's own ids. */
  toServer(serverId: string, text: string): string {
    return translateTaskIds(text, undefined, (taskId) => {
      const task = decodeTaskId(taskId);
      return task?.serverId === serverId ? task.taskId : undefined;
    });
  }

  #inClientTerms(server: DownstreamServer, message: Message): string | undefined {
    if (message.kind === 'request') return this.#requestToClient(server, message);
    if (message.kind !== 'notification') return undefined;
    if (LIST_CHANGED.test(message.method)) {
      this.view.peek(server.id)?.changed();
      return undefined;
    }
    if (message.method === 'notifications/cancelled') return withHomeId(server, message);
    if (message.method === 'notifications/resources/updated') return this.#updated(server, message);
    return message.text;
  }

  #requestToClient(
    server: DownstreamServer,
    message: Message & { readonly kind: 'request' },
  ): string | undefined {
    const meta = message.params === undefined ? undefined : own(message.params, '_meta');
    const token = isObject(meta) ? own(meta, 'progressToken') : undefined;
    if (token !== undefined) this.#progressHome.set(JSON.stringify(token), server.id);
    return replaceAt(message, ['id'], JSON.stringify(encodeHomeId(server.id, message.id)));
  }

  /** A resource that an earlier server's hides is known to the client by its alias. */
  #updated(
    server: DownstreamServer,
    message: Message & { readonly kind: 'notification' },
  ): string | undefined {
    const uri = message.params === undefined ? undefined : own(message.params, 'uri');
    if (typeof uri !== 'string') return message.text;
    const holder = this.view.current?.resources.get(uri);
    if (holder === undefined || holder.server.id === server.id) return message.text;
    return replaceAt(message, ['params', 'uri'], JSON.stringify(aliasUri(server.id, uri)));
  }

  async #open(server: DownstreamServer): Promise<DownstreamLink> {
    const abort = new AbortController();
    const listener = {
      message: (message: Message) => this.#fromServer(server, message),
      restarted: () => this.#restarted(server),
    };
    const opening = this.#options.connector
      .open(server, { clientCapabilities: this.session.hello.capabilities, listener, signal: abort.signal })
      .then(async (link) => {
        await this.#tellLogLevel(link);
        if (this.session.stream.isOpen) link.listen();
        return link;
      });
    const open: OpenLink = {
      revision: server.revision,
      opening,
      abort,
      link: undefined,
      lastUsed: Date.now(),
    };
    this.#links.set(server.id, open);
    try {
      const link = await opening;
      open.link = link;
      return link;
    } catch (error) {
      // A link that could not be opened is tried again by the next request.
      if (this.#links.get(server.id) === open) this.#links.delete(server.id);
      throw error;
    }
  }

  #discard(serverId: string, open: OpenLink): void {
    this.#links.delete(serverId);
    open.abort.abort();
    open.opening.then((link) => link.close()).catch(() => {});
  }

  #fromServer(server: DownstreamServer, message: Message): void {
    const text = this.toClient(server, message);
    if (text !== undefined) this.session.stream.send(text);
  }

  #restarted(server: DownstreamServer): void {
    this.view.peek(server.id)?.changed();
    const link = this.openLink(server.id);
    if (link === undefined) return;
    const resubscribe = [...(this.#subscriptions.get(server.id) ?? [])].map((uri) =>
      this.#ask(link, 'resources/subscribe', { uri }),
    );
    Promise.all([this.#tellLogLevel(link), ...resubscribe]).catch(() => {});
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

  /** Sets the level at every server that is open and has logging; others hear of it when they are opened. */
  async setLogLevel(level: string): Promise<void> {
    this.session.logLevel = level;
    await Promise.all([...this.openLinks()].map((link) => this.#tellLogLevel(link)));
  }

  rootsChanged(): void {
    const notification = ownNotification('notifications/roots/list_changed');
    for (const link of this.openLinks()) link.send(notification);
  }

  #listsChanged(changed: ChangedLists): void {
    for (const list of ['tools', 'prompts', 'resources'] as const) {
      if (changed[list]) this.session.stream.send(notificationText(`notifications/${list}/list_changed`));
    }
  }
}

/** A server that cancels its own request names it by its own id; the client knows it by ours. */
function withHomeId(
  server: DownstreamServer,
  message: Message & { readonly kind: 'notification' },
): string | undefined {
  const id = message.params === undefined ? undefined : own(message.params, 'requestId');
  if (typeof id !== 'string' && typeof id !== 'number') return undefined;
  return replaceAt(message, ['params', 'requestId'], JSON.stringify(encodeHomeId(server.id, id)));
}
