import { type DownstreamServer, isOfCallers } from '../downstream/port.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { CatalogSharing } from './sharing.ts';
import type { ServerCatalog } from './types.ts';
import { type CatalogSource, type CatalogState, ServerWatcher, type WatcherOptions } from './watcher.ts';

export interface EntryOptions extends WatcherOptions {
  /** Shares what servers list with other nodes; undefined where there are none. */
  readonly sharing?: CatalogSharing | undefined;
}

/** What one server lists to clients of one kind, kept up to date by this node or by another. */
export class CatalogEntry {
  readonly server: DownstreamServer;
  readonly #source: CatalogSource;
  #state: CatalogState;

  /** `known`: what the server listed when it was last asked under an earlier record; used until it has answered. */
  constructor(
    server: DownstreamServer,
    options: EntryOptions,
    onChange: () => void,
    known: ServerCatalog | undefined,
  ) {
    this.server = server;
    this.#state = { catalog: known, error: undefined, checkedAt: undefined, failingSince: undefined };
    const onState = (state: CatalogState) => {
      this.#state = state;
      onChange();
    };
    const { sharing } = options;
    // The gateway's own tools are those of this node's version.
    this.#source =
      sharing === undefined || server.target.kind === 'builtin' || isOfCallers(server)
        ? new ServerWatcher(server, options, this.#state, onState)
        : sharing.open(server, options, this.#state, onState);
  }

  get catalog(): ServerCatalog | undefined {
    return this.#state.catalog;
  }

  /** Why the server could not be asked, when it last was. */
  get error(): GatewayError | undefined {
    return this.#state.error;
  }

  get checkedAt(): Date | undefined {
    return this.#state.checkedAt;
  }

  /** Resolves when the server has been asked at least once, whatever came of it. */
  ready(): Promise<void> {
    return this.#source.ready();
  }

  /** Asks the server now; callers that come meanwhile share the answer. Never rejects: see `error`. */
  refresh(): Promise<void> {
    return this.#source.refresh();
  }

  /** Asks the server where its catalog has had its time, unless another node does. */
  refreshStale(): Promise<void> {
    return this.#source.refreshStale();
  }

  /** The server says that a list is another. */
  changed(): void {
    this.#source.changed();
  }

  close(): Promise<void> {
    return this.#source.close();
  }
}
