import { randomUUID } from 'node:crypto';
import type { CatalogStore, ServerCheck } from '../coordination/catalog-store.ts';
import type { EveryServer, ServerRecord } from '../db/server-record.ts';
import { type Connector, downstreamServer, isOfCallers } from '../downstream/port.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import type { LastCheck } from './catalogs.ts';
import type { CatalogView } from './view.ts';

/** Servers that are asked at a time. */
const AT_A_TIME = 16;

/** Servers that are read at a time. */
const PAGE_SIZE = 200;

/** What is wrong with the server, and not with this gateway. */
const THEIRS: ReadonlySet<Code> = new Set([
  Code.DownstreamUnavailable,
  Code.DownstreamProtocol,
  Code.DownstreamTimeout,
  Code.DownstreamSessionLost,
  Code.LoginRequired,
]);

/** Nobody is behind these connections who could hear what a server says. */
const NOBODY = { message: () => {}, restarted: () => {} };

export interface ProbesOptions {
  readonly servers: EveryServer;
  readonly connector: Connector;
  readonly catalogs: {
    lastCheck(record: ServerRecord): Promise<LastCheck | undefined>;
    operatorViewOf(record: ServerRecord): Promise<Pick<CatalogView, 'entry'>>;
  };
  readonly store: CatalogStore;
  readonly logger: Logger;
  /** Servers that somebody has asked since so many milliseconds are left alone. */
  readonly freshMs: number;
  /** Milliseconds for which what came of a probe is known. */
  readonly keepMs: number;
  /** A server does not answer any more, and why; or does again. */
  readonly onChange?: (record: ServerRecord, error: GatewayError | undefined) => void;
}

/**
 * Finds out how the servers are that nobody has asked lately, so that their health is known though no client uses them:
 * connects to each, and leaves again. Processes are left alone: they would have to be started.
 */
export class ServerProbes {
  readonly #options: ProbesOptions;

  constructor(options: ProbesOptions) {
    this.#options = options;
  }

  /** Asks them all, as far as the signal lets it. Rejects with Unavailable where servers or checks can't be read. */
  async run(signal: AbortSignal): Promise<void> {
    const failed = new AbortController();
    const stop = AbortSignal.any([signal, failed.signal]);
    const records = this.#records();
    const worker = async () => {
      while (!stop.aborted) {
        const next = await records.next();
        if (next.done === true) return;
        await this.#probeOne(next.value, stop);
      }
    };
    try {
      await Promise.all(Array.from({ length: AT_A_TIME }, worker));
    } finally {
      failed.abort();
    }
  }

  async *#records(): AsyncGenerator<ServerRecord, void> {
    for (let last: string | undefined; ; ) {
      const page = await this.#options.servers.enabledHttp(last, PAGE_SIZE);
      // One that is not enabled all the same can't be reached as it should be; nor can one be without a caller that wants one.
      yield* page.filter((record) => record.enabled && !isOfCallers(record));
      last = page.at(-1)?.id;
      if (last === undefined || page.length < PAGE_SIZE) return;
    }
  }

  /** What goes wrong with one keeps nobody from the others, unless it is the store that is away. */
  async #probeOne(record: ServerRecord, signal: AbortSignal): Promise<void> {
    try {
      await this.#probe(record, signal);
    } catch (thrown) {
      const error = GatewayError.from(thrown);
      if (signal.aborted) return;
      if (error.code === Code.Unavailable) throw error;
      this.#options.logger.error('a server could not be probed', { server: record.name, err: thrown });
    }
  }

  async #probe(record: ServerRecord, signal: AbortSignal): Promise<void> {
    const { catalogs, logger, freshMs, onChange } = this.#options;
    const last = await catalogs.lastCheck(record);
    if (last?.checkedAt !== undefined && Date.now() - last.checkedAt.getTime() < freshMs) return;
    const error = await this.#connect(record, signal);
    if (signal.aborted) return;
    const wasFailing = last?.error !== undefined;
    if (error !== undefined) {
      if (!wasFailing) {
        logger.warn('a server does not answer', { server: record.name, reason: error.message });
        onChange?.(record, error);
      }
      return this.#note(record, error);
    }
    if (!wasFailing) return this.#note(record, undefined);
    // It may have failed at what it lists: whether it is well again shows when it is asked for that.
    const entry = await (await catalogs.operatorViewOf(record)).entry(record.id, true);
    if (entry !== undefined && entry.error === undefined) onChange?.(record, undefined);
  }

  /** Resolves with why the server can't be used, or undefined. */
  async #connect(record: ServerRecord, signal: AbortSignal): Promise<GatewayError | undefined> {
    const { connector, store } = this.#options;
    const check = await store.lastCheck(record.id);
    // Under an id of its own nothing is taken from what is known of the server.
    const server = { ...downstreamServer(record), id: `${record.id}#probe-${randomUUID()}` };
    const clientCapabilities = check?.capabilities ?? {};
    try {
      const link = await connector.open(server, { clientCapabilities, listener: NOBODY, signal });
      await link.close();
      return undefined;
    } catch (thrown) {
      const error = GatewayError.from(thrown);
      if (!THEIRS.has(error.code)) throw error;
      return error;
    } finally {
      await connector.drop(server.id);
    }
  }

  async #note({ id, revision }: ServerRecord, error: GatewayError | undefined): Promise<void> {
    const { store, keepMs } = this.#options;
    const now = Date.now();
    const before = await store.lastCheck(id);
    const failure =
      error === undefined
        ? {}
        : {
            error: { code: error.code, message: error.message },
            failingSince: before?.check.failingSince ?? now,
          };
    const check: ServerCheck = { checkedAt: now, ...failure };
    await store.noteCheck(id, { revision, check, capabilities: before?.capabilities ?? {} }, keepMs);
  }
}
