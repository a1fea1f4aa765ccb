import { type Owner, ownerKey } from '../auth/principal.ts';
import type { Snapshot } from '../catalog/snapshot.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import { isUseOf } from '../downstream/server-id.ts';
import {
  type Id,
  type Message,
  type NotificationMessage,
  type Params,
  parseMessage,
} from '../protocol/envelope.ts';
import { forStreams } from '../protocol/modern/subscriptions.ts';
import { taskNotificationForClient } from '../protocol/modern/tasks.ts';
import { inClientTerms } from './client-terms.ts';
import { isSame, type ServerWatch, type Subject, type WatchOptions, watchServer } from './modern-watch.ts';

/** A notification for any number of streams. */
export interface News {
  readonly method: string;
  readonly params: Params | undefined;
  readonly message: NotificationMessage;
  /** Its text on the stream of this request. */
  readonly on: (listenId: Id) => string;
}

export interface HubOptions extends WatchOptions {
  readonly maxJsonDepth: number;
  /** What exists for the owner's clients, as far as it is known. */
  readonly snapshotOf: (owner: Owner) => Snapshot | undefined;
}

/**
 * What servers say of resources and tasks, for all who have subscribed to it: each server is listened to once for each
 * principal, for whatever its listeners want together, as long as there is one.
 */
export class ResourceHub {
  readonly #options: HubOptions;
  readonly #watched = new Map<string, Watched>();

  constructor(options: HubOptions) {
    this.#options = options;
  }

  /**
   * Wants to hear of these, until `close`. `ready` resolves with what the server refuses to tell of, once it has said what it
   * will tell. `lost`: the server has been removed or changed, and nothing more comes.
   */
  watch(
    owner: Owner,
    server: DownstreamServer,
    subjects: readonly Subject[],
    told: (news: News) => void,
    lost: () => void,
  ): { readonly ready: Promise<readonly Subject[]>; close(): void } {
    const key = `${ownerKey(owner)} ${server.id}`;
    let watched = this.#watched.get(key);
    if (watched?.server.revision !== server.revision) {
      watched?.lose();
      const added: Watched = new Watched(owner, server, this.#options, () => {
        if (this.#watched.get(key) === added) this.#watched.delete(key);
      });
      watched = added;
      this.#watched.set(key, watched);
    }
    return watched.add(subjects, told, lost);
  }

  /** A server of the legacy era has said something. */
  heard(owner: Owner, serverId: string, message: Message): void {
    this.#watched.get(`${ownerKey(owner)} ${serverId}`)?.heard(message);
  }

  /** A server of the legacy era began anew. */
  restarted(owner: Owner, serverId: string): void {
    this.#watched.get(`${ownerKey(owner)} ${serverId}`)?.restarted();
  }

  /** The server has been removed or changed. */
  drop(serverId: string): void {
    for (const watched of this.#watched.values()) if (isUseOf(watched.server.id, serverId)) watched.lose();
  }

  close(): void {
    for (const watched of this.#watched.values()) watched.close();
  }
}

interface Listener {
  readonly subjects: readonly Subject[];
  readonly told: (news: News) => void;
  readonly lost: () => void;
}

/** One server, for one principal. */
class Watched {
  readonly server: DownstreamServer;
  readonly #owner: Owner;
  readonly #options: HubOptions;
  readonly #onEmpty: () => void;
  readonly #listeners = new Set<Listener>();
  readonly #watch: ServerWatch;

  constructor(owner: Owner, server: DownstreamServer, options: HubOptions, onEmpty: () => void) {
    this.server = server;
    this.#owner = owner;
    this.#options = options;
    this.#onEmpty = onEmpty;
    this.#watch = watchServer(owner, server, options, {
      heard: (message) => this.heard(message),
      missed: () => this.#missed(),
    });
  }

  add(subjects: readonly Subject[], told: (news: News) => void, lost: () => void) {
    const listener = { subjects, told, lost };
    this.#listeners.add(listener);
    const ready = this.#watch
      .want(this.#wanted())
      .then((refused) => subjects.filter((subject) => refused.some((each) => isSame(each, subject))));
    const close = () => {
      if (!this.#listeners.delete(listener)) return;
      if (this.#listeners.size === 0) this.close();
      else void this.#watch.want(this.#wanted());
    };
    return { ready, close };
  }

  heard(message: Message): void {
    const news = this.#newsOf(message);
    if (news !== undefined) for (const { told } of this.#listeners) told(news);
  }

  restarted(): void {
    this.#watch.restarted();
    this.#missed();
  }

  /** The server is gone, or another one now. */
  lose(): void {
    const listeners = [...this.#listeners];
    this.#listeners.clear();
    this.close();
    for (const { lost } of listeners) lost();
  }

  close(): void {
    this.#onEmpty();
    this.#watch.close();
  }

  /** What was said meanwhile is not known: whoever watches a resource is told to look. */
  #missed(): void {
    for (const { kind, key } of this.#wanted()) {
      if (kind !== 'resource') continue;
      const params = { uri: key };
      const text = JSON.stringify({ jsonrpc: '2.0', method: 'notifications/resources/updated', params });
      this.heard(parseMessage(text, this.#options.maxJsonDepth));
    }
  }

  #wanted(): readonly Subject[] {
    const all = new Map<string, Subject>();
    for (const { subjects } of this.#listeners) {
      for (const subject of subjects) all.set(`${subject.kind} ${subject.key}`, subject);
    }
    return [...all.values()];
  }

  /** Read once, however many listen. */
  #newsOf(message: Message): News | undefined {
    if (message.kind !== 'notification') return undefined;
    const isTask = message.method === 'notifications/tasks';
    if (!isTask && message.method !== 'notifications/resources/updated') return undefined;
    const text = isTask
      ? taskNotificationForClient(message.text, this.server.id)
      : inClientTerms(this.server, message, this.#options.snapshotOf(this.#owner));
    const on = text === undefined ? undefined : forStreams(text);
    if (text === undefined || on === undefined) return undefined;
    const own = parseMessage(text, this.#options.maxJsonDepth);
    if (own.kind !== 'notification') return undefined;
    return { method: own.method, params: own.params, message: own, on };
  }
}
