import type { Owner } from '../auth/principal.ts';
import { call, ownRequest } from '../downstream/call.ts';
import type { ModernConnector, ModernLink } from '../downstream/modern-port.ts';
import type { Deadlines, DownstreamServer } from '../downstream/port.ts';
import type { Message } from '../protocol/envelope.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { SubscriptionFilter } from '../protocol/modern/subscriptions.ts';
import type { Logger } from '../telemetry/types.ts';
import type { Borrowed, LegacyPool } from './modern-pool.ts';

/** One thing at one server that somebody wants to hear of, by the server's own URI or task id. */
export interface Subject {
  readonly kind: 'resource' | 'task';
  readonly key: string;
}

export function isSame(a: Subject, b: Subject): boolean {
  return a.kind === b.kind && a.key === b.key;
}

export interface WatchOptions {
  readonly modern: ModernConnector;
  readonly pool: LegacyPool;
  readonly ownDeadlines: Deadlines;
  readonly logger: Logger;
}

/** A server that is listened to. */
export interface ServerWatch {
  /** Listens for these in place of what was wanted before. Resolves with those that the server refuses; never rejects. */
  want(subjects: readonly Subject[]): Promise<readonly Subject[]>;
  /** The server has forgotten what it was asked. */
  restarted(): void;
  close(): void;
}

interface WatchListener {
  readonly heard: (message: Message) => void;
  /** Something may have been said that was not heard. */
  readonly missed: () => void;
}

const NEVER = new AbortController().signal;

/** Listens to a server of whichever era, which is found out on the way. */
export function watchServer(
  owner: Owner,
  server: DownstreamServer,
  options: WatchOptions,
  listener: WatchListener,
): ServerWatch {
  let isClosed = false;
  let watch: ServerWatch | undefined;
  let last: Promise<readonly Subject[]> = Promise.resolve([]);
  const open = async (): Promise<ServerWatch> => {
    if (watch !== undefined) return watch;
    const link = await options.modern.modern(server, NEVER);
    watch =
      link === undefined
        ? new LegacyWatch(await options.pool.borrow(owner, server), options)
        : new ModernWatch(link, listener, options);
    if (isClosed) watch.close();
    return watch;
  };
  const want = async (subjects: readonly Subject[]) => {
    if (isClosed) return subjects;
    try {
      return await (await open()).want(subjects);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      options.logger.warn('a server could not be listened to', { server: server.name, reason });
      return subjects;
    }
  };
  return {
    want: (subjects) => {
      // One after the other: the last that was wanted is what stays.
      last = last.then(() => want(subjects));
      return last;
    },
    restarted: () => watch?.restarted(),
    close: () => {
      isClosed = true;
      watch?.close();
    },
  };
}

/** One `subscriptions/listen`, opened anew when something else is wanted: the new one first, so that nothing is missed. */
class ModernWatch implements ServerWatch {
  readonly #link: ModernLink;
  readonly #listener: WatchListener;
  readonly #options: WatchOptions;
  /** The one in force last, and before it those that it has not replaced yet. */
  #stops: (() => void)[] = [];
  #isClosed = false;

  constructor(link: ModernLink, listener: WatchListener, options: WatchOptions) {
    this.#link = link;
    this.#listener = listener;
    this.#options = options;
  }

  want(subjects: readonly Subject[]): Promise<readonly Subject[]> {
    if (this.#isClosed) return Promise.resolve(subjects);
    const before = [...this.#stops];
    const stopBefore = () => {
      for (const stop of before) stop();
      this.#stops = this.#stops.filter((stop) => !before.includes(stop));
    };
    const filter = filterOf(subjects);
    const { promise, resolve } = Promise.withResolvers<readonly Subject[]>();
    const timer = setTimeout(resolve, this.#options.ownDeadlines.totalMs, []);
    timer.unref();
    const stop = this.#link.listen(filter, {
      acknowledged: (honoured) => {
        clearTimeout(timer);
        stopBefore();
        resolve(subjects.filter((subject) => !isIn(honoured, subject)));
      },
      message: (message) => this.#listener.heard(message),
      restarted: () => this.#listener.missed(),
      ended: (error) => {
        clearTimeout(timer);
        stopBefore();
        resolve(subjects);
        const reason = error?.message;
        this.#options.logger.warn('a server does not let itself be listened to', {
          server: this.#link.server.name,
          reason,
        });
      },
    });
    this.#stops.push(stop);
    return promise;
  }

  /** The link opens its stream again by itself. */
  restarted(): void {}

  close(): void {
    this.#isClosed = true;
    for (const stop of this.#stops.splice(0)) stop();
  }
}

/** Subscriptions in the session that all requests of the principal share. */
class LegacyWatch implements ServerWatch {
  readonly #borrowed: Borrowed;
  readonly #options: WatchOptions;
  readonly #subscribed = new Set<string>();
  #isClosed = false;

  constructor(borrowed: Borrowed, options: WatchOptions) {
    this.#borrowed = borrowed;
    this.#options = options;
    borrowed.link.listen();
  }

  async want(subjects: readonly Subject[]): Promise<readonly Subject[]> {
    const wanted = new Set(subjects.flatMap(({ kind, key }) => (kind === 'resource' ? [key] : [])));
    const [gone, added] = [[...this.#subscribed].filter((uri) => !wanted.has(uri)), new Set<string>()];
    for (const uri of wanted) if (!this.#subscribed.has(uri)) added.add(uri);
    await Promise.all([
      ...gone.map(async (uri) => {
        this.#subscribed.delete(uri);
        await this.#ask('resources/unsubscribe', uri);
      }),
      ...[...added].map(async (uri) => {
        if (await this.#ask('resources/subscribe', uri)) this.#subscribed.add(uri);
      }),
    ]);
    return subjects.filter(({ kind, key }) => kind !== 'resource' || !this.#subscribed.has(key));
  }

  restarted(): void {
    if (this.#isClosed) return;
    for (const uri of this.#subscribed) void this.#ask('resources/subscribe', uri);
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const asked = [...this.#subscribed].map((uri) => this.#ask('resources/unsubscribe', uri));
    this.#borrowed.link.unlisten();
    void Promise.all(asked).then(() => this.#borrowed.giveBack());
  }

  async #ask(method: string, uri: string): Promise<boolean> {
    const { link } = this.#borrowed;
    try {
      await call(link, ownRequest(method, { uri }), this.#options.ownDeadlines, NEVER);
      return true;
    } catch (error) {
      const reason = GatewayError.from(error).message;
      this.#options.logger.warn('a server refused a subscription', { server: link.server.name, reason });
      return false;
    }
  }
}

function filterOf(subjects: readonly Subject[]): SubscriptionFilter {
  const keysOf = (kind: Subject['kind']) =>
    subjects.flatMap((subject) => (subject.kind === kind ? [subject.key] : []));
  return {
    toolsListChanged: false,
    promptsListChanged: false,
    resourcesListChanged: false,
    resourceSubscriptions: keysOf('resource'),
    taskIds: keysOf('task'),
  };
}

function isIn(filter: SubscriptionFilter, { kind, key }: Subject): boolean {
  return (kind === 'resource' ? filter.resourceSubscriptions : filter.taskIds).includes(key);
}
