import { Backoff } from '../downstream/backoff.ts';
import { ownRefusal } from '../downstream/call.ts';
import type { Connector, DownstreamLink, DownstreamServer } from '../downstream/port.ts';
import type { Message } from '../protocol/envelope.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { fetchCatalog } from './fetch.ts';
import type { ServerCatalog } from './types.ts';

/** Between two refreshes that a server asks for: a flood of notifications costs one refresh each so often. */
const MIN_INTERVAL_MS = 250;

const LIST_CHANGED = /^notifications\/(tools|resources|prompts)\/list_changed$/;

export interface EntryOptions {
  readonly connector: Connector;
  readonly logger: Logger;
  readonly clientCapabilities: Readonly<Record<string, unknown>>;
  readonly listTimeoutMs: number;
  /** After this many milliseconds a catalog is fetched again. */
  readonly ttlMs: number;
}

/**
 * What one server lists to clients of one kind, kept up to date: fetched when first needed, again when the server says
 * that it changed, and now and then in any case. A server that fails keeps its last catalog for one time-to-live more,
 * from its first failure on.
 */
export class CatalogEntry {
  readonly server: DownstreamServer;
  catalog: ServerCatalog | undefined;
  error: GatewayError | undefined;
  checkedAt: Date | undefined;
  readonly #options: EntryOptions;
  readonly #onChange: () => void;
  readonly #abort = new AbortController();
  readonly #backoff = new Backoff(1000, 60_000);
  #link: DownstreamLink | undefined;
  #loading: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;
  #dirty = false;
  /** Milliseconds since the epoch; undefined while all is well. */
  #failingSince: number | undefined;

  /** `known`: what the server listed when it was last asked under an earlier record; used until it has answered. */
  constructor(
    server: DownstreamServer,
    options: EntryOptions,
    onChange: () => void,
    known: ServerCatalog | undefined,
  ) {
    this.server = server;
    this.catalog = known;
    this.#options = options;
    this.#onChange = onChange;
  }

  /** Resolves when the server has been asked at least once, whatever came of it. */
  ready(): Promise<void> {
    return this.checkedAt === undefined ? this.refresh() : Promise.resolve();
  }

  /** Asks the server now; callers that come meanwhile share the answer. Never rejects: see `error`. */
  refresh(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = undefined;
      if (this.#dirty) this.changed();
    });
    return this.#loading;
  }

  /** The server says that a list is another. */
  changed(): void {
    if (this.#loading !== undefined) {
      this.#dirty = true;
      return;
    }
    if (this.#soon !== undefined || this.#abort.signal.aborted) return;
    this.#dirty = false;
    const age = Date.now() - (this.checkedAt?.getTime() ?? 0);
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

  async #load(): Promise<void> {
    this.#dirty = false;
    try {
      this.#link ??= await this.#open();
      const link = this.#link;
      this.catalog = await fetchCatalog(link, {
        listTimeoutMs: this.#options.listTimeoutMs,
        signal: this.#abort.signal,
        onLeftOut: (list, count, example) =>
          this.#options.logger.warn('a server lists entries that clients could not read', {
            server: this.server.name,
            list,
            count,
            example,
          }),
      });
      this.error = undefined;
      this.#failingSince = undefined;
      this.#backoff.reset();
    } catch (thrown) {
      this.#failed(GatewayError.from(thrown));
    }
    this.checkedAt = new Date();
    if (this.#abort.signal.aborted) return;
    this.#arm();
    this.#onChange();
  }

  async #open(): Promise<DownstreamLink> {
    // A server may speak before its handshake is complete.
    let link: DownstreamLink | undefined;
    link = await this.#options.connector.open(this.server, {
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
    if (this.#abort.signal.aborted) return;
    this.error = error;
    this.#failingSince ??= Date.now();
    if (Date.now() - this.#failingSince >= this.#options.ttlMs) this.catalog = undefined;
    this.#options.logger.warn('catalog refresh failed', { server: this.server.name, reason: error.message });
  }

  async #letGo(): Promise<void> {
    const link = this.#link;
    this.#link = undefined;
    try {
      await link?.close();
    } catch (err) {
      this.#options.logger.warn('a connection did not close', { server: this.server.name, err });
    }
  }

  #arm(): void {
    clearTimeout(this.#timer);
    // A process says on its pipe when something changes; asking it would only keep it from resting.
    if (this.error === undefined && this.server.target.kind !== 'http') return;
    const delay = this.error === undefined ? this.#options.ttlMs : this.#backoff.next();
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
