import type { Role } from '../auth/principal.ts';
import { Backoff } from '../downstream/backoff.ts';
import { ownRefusal } from '../downstream/call.ts';
import type { Connector, DownstreamLink, DownstreamServer } from '../downstream/port.ts';
import type { Message } from '../protocol/envelope.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { fetchCatalog } from './fetch.ts';
import { isSameCatalog } from './pack.ts';
import type { ServerCatalog } from './types.ts';

/** Between two refreshes that a server asks for: a flood of notifications costs one refresh each so often. */
export const MIN_INTERVAL_MS = 250;

const LIST_CHANGED = /^notifications\/(tools|resources|prompts)\/list_changed$/;

export interface WatcherOptions {
  readonly connector: Connector;
  readonly logger: Logger;
  readonly clientCapabilities: Readonly<Record<string, unknown>>;
  /** By which servers are shared with those it is for. Default: none. */
  readonly roles?: readonly Role[];
  readonly listTimeoutMs: number;
  /** After this many milliseconds a catalog is fetched again. */
  readonly ttlMs: number;
}

/** Where an entry has from what a server lists. */
export interface CatalogSource {
  /** Resolves when the server has been asked at least once, whatever came of it. */
  ready(): Promise<void>;
  /** Asks the server now. Never rejects: what came of it is told. */
  refresh(): Promise<void>;
  /** Asks it where its catalog has had its time. One that fails is asked by its back-off. */
  refreshStale(): Promise<void>;
  /** Somebody has heard from the server that a list is another. */
  changed(): void;
  close(): Promise<void>;
}

/** What is known of a server. */
export interface CatalogState {
  readonly catalog: ServerCatalog | undefined;
  readonly error: GatewayError | undefined;
  /** When it was last asked; undefined before it has been. */
  readonly checkedAt: Date | undefined;
  /** Milliseconds since the epoch; undefined while all is well. */
  readonly failingSince: number | undefined;
}

/**
 * Asks one server what it lists to clients of one kind: when told to, when the server says that it changed, and now and
 * then in any case. A server that fails keeps its last catalog for one time-to-live more, from its first failure on.
 */
export class ServerWatcher implements CatalogSource {
  readonly #server: DownstreamServer;
  readonly #options: WatcherOptions;
  readonly #onChecked: (state: CatalogState) => void | Promise<void>;
  readonly #abort = new AbortController();
  readonly #backoff = new Backoff(1000, 60_000);
  #state: CatalogState;
  #link: DownstreamLink | undefined;
  #loading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #dirty = false;

  /** `onChecked` is told after each check; a refresh is not over before it is done. */
  constructor(
    server: DownstreamServer,
    options: WatcherOptions,
    known: CatalogState,
    onChecked: (state: CatalogState) => void | Promise<void>,
  ) {
    this.#server = server;
    this.#options = options;
    this.#state = known;
    this.#onChecked = onChecked;
  }

  get isClosed(): boolean {
    return this.#abort.signal.aborted;
  }

  ready(): Promise<void> {
    return this.#state.checkedAt === undefined ? this.refresh() : Promise.resolve();
  }

  /** Callers that come meanwhile share the answer. */
  refresh(): Promise<void> {
    if (this.isClosed && this.#loading === undefined) return Promise.resolve();
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
      if (this.#dirty) this.changed();
    });
    return this.#loading;
  }

  async refreshStale(): Promise<void> {
    const { error, checkedAt } = this.#state;
    if (!this.#isPolled || error !== undefined || checkedAt === undefined) return;
    if (Date.now() - checkedAt.getTime() >= this.#options.ttlMs) await this.refresh();
  }

  changed(): void {
    if (this.#loading !== undefined) {
      this.#dirty = true;
      return;
    }
    if (this.#soon !== undefined || this.isClosed) return;
    this.#dirty = false;
    const age = Date.now() - (this.#state.checkedAt?.getTime() ?? 0);
    this.#soon = setTimeout(
      () => {
        this.#soon = undefined;
        void this.refresh();
      },
      Math.max(0, MIN_INTERVAL_MS - age),
    );
  }

  async close(): Promise<void> {
    this.#abort.abort();
    clearTimeout(this.#timer);
    clearTimeout(this.#soon);
    await this.#letGo();
  }

  /** A process says on its pipe when something changes; asking it would only keep it from resting. */
  get #isPolled(): boolean {
    return this.#server.target.kind === 'http';
  }

  async #load(): Promise<void> {
    this.#dirty = false;
    try {
      this.#link ??= await this.#open();
      const link = this.#link;
      const fetched = await fetchCatalog(link, {
        listTimeoutMs: this.#options.listTimeoutMs,
        signal: this.#abort.signal,
        onLeftOut: (list, count, example) =>
          this.#options.logger.warn('a server lists entries that clients could not read', {
            server: this.#server.name,
            list,
            count,
            example,
          }),
      });
      // One and the same where nothing changed: then nothing that was made of it has to be made anew.
      const known = this.#state.catalog;
      const catalog = known !== undefined && isSameCatalog(known, fetched) ? known : fetched;
      this.#state = { catalog, error: undefined, failingSince: undefined, checkedAt: new Date() };
      this.#backoff.reset();
    } catch (thrown) {
      this.#failed(GatewayError.from(thrown));
    }
    if (this.isClosed) return;
    this.#arm();
    await this.#onChecked(this.#state);
  }

  async #open(): Promise<DownstreamLink> {
    // A server may speak before its handshake is complete.
    let link: DownstreamLink | undefined;
    link = await this.#options.connector.open(this.#server, {
      clientCapabilities: this.#options.clientCapabilities,
      listener: {
        message: (message) => this.#heard(link, message),
        restarted: () => this.changed(),
      },
      signal: this.#abort.signal,
    });
    if (saysWhenItChanges(link)) link.listen();
    return link;
  }

  #heard(link: DownstreamLink | undefined, message: Message): void {
    if (message.kind === 'notification' && LIST_CHANGED.test(message.method)) this.changed();
    // Nobody is behind this connection who could be asked.
    if (message.kind === 'request')
      link?.send(ownRefusal(message.id, 'No client is connected that could answer'));
  }

  #failed(error: GatewayError): void {
    void this.#letGo();
    if (this.isClosed) return;
    const now = Date.now();
    const failingSince = this.#state.failingSince ?? now;
    const catalog = now - failingSince >= this.#options.ttlMs ? undefined : this.#state.catalog;
    this.#state = { catalog, error, failingSince, checkedAt: new Date() };
    this.#options.logger.warn('catalog refresh failed', { server: this.#server.name, reason: error.message });
  }

  async #letGo(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    try {
      await link?.close();
    } catch (err) {
      this.#options.logger.warn('a connection did not close', { server: this.#server.name, err });
    }
  }

  #arm(): void {
    clearTimeout(this.#timer);
    const { error } = this.#state;
    if (error === undefined && !this.#isPolled) return;
    const delay = error === undefined ? this.#options.ttlMs : this.#backoff.next();
    this.#timer = setTimeout(() => void this.refresh(), delay);
    this.#timer.unref();
  }
}

function saysWhenItChanges(link: DownstreamLink): boolean {
  return Object.values(link.handshake.capabilities).some(
    (capability) =>
      typeof capability === 'object' &&
      capability !== null &&
      'listChanged' in capability &&
      capability.listChanged === true,
  );
}
