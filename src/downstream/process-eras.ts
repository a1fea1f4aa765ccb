import { Code, GatewayError } from '../protocol/errors.ts';
import type { ModernLink } from './modern-port.ts';
import type { DownstreamLink, DownstreamServer, LinkListener } from './port.ts';

export interface ProcessErasOptions {
  /** Takes the gateway's own place at a process, the one that clients which can do nothing share. */
  readonly open: (server: DownstreamServer, listener: LinkListener) => Promise<DownstreamLink>;
  /** The modern era's link on a pipe; undefined where its server is of the legacy era. */
  readonly modern: (pipe: DownstreamLink) => ModernLink | undefined;
}

interface Known {
  readonly revision: number;
  /** Undefined for the legacy era. */
  readonly link: ModernLink | undefined;
  /** What the link goes through. */
  readonly pipe: DownstreamLink | undefined;
}

interface Asking {
  readonly revision: number;
  readonly found: Promise<ModernLink | undefined>;
}

/**
 * Which era each server that is a process is of, and this node's link to each of the modern one: all its clients share that,
 * since they say in each request what they can do.
 */
export class ProcessEras {
  readonly #options: ProcessErasOptions;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Asking>();
  #isClosed = false;

  constructor(options: ProcessErasOptions) {
    this.#options = options;
  }

  /** The link to a server of the modern era; undefined for the legacy one. Rejects where the process can't be started. */
  of(server: DownstreamServer): ModernLink | undefined | Promise<ModernLink | undefined> {
    const known = this.#known.get(server.id);
    if (known?.revision === server.revision) return known.link;
    const asking = this.#asking.get(server.id);
    if (asking?.revision === server.revision) return asking.found;
    const { promise, resolve } = Promise.withResolvers<ModernLink | undefined>();
    const added = { revision: server.revision, found: promise };
    this.#asking.set(server.id, added);
    resolve(
      this.#ask(server, () => this.#asking.get(server.id) === added).finally(() => {
        if (this.#asking.get(server.id) === added) this.#asking.delete(server.id);
      }),
    );
    return promise;
  }

  /** The link where the server is known to be of the modern era. */
  known(server: DownstreamServer): ModernLink | undefined {
    const known = this.#known.get(server.id);
    return known?.revision === server.revision ? known.link : undefined;
  }

  /** What somebody has found out. */
  note(server: DownstreamServer, era: 'modern' | 'legacy'): void {
    const known = this.#known.get(server.id);
    const isKnown = known?.revision === server.revision;
    if (era === 'modern' && isKnown && known.link === undefined) this.forget(server.id);
    if (era === 'legacy' && !isKnown && !this.#asking.has(server.id))
      this.#keep(server, { link: undefined, pipe: undefined });
  }

  /** The server has changed or gone, or begins anew as something else. */
  forget(serverId: string): void {
    const known = this.#known.get(serverId);
    this.#known.delete(serverId);
    this.#asking.delete(serverId);
    void known?.pipe?.close();
  }

  close(): void {
    this.#isClosed = true;
    for (const serverId of [...this.#known.keys()]) this.forget(serverId);
    this.#asking.clear();
  }

  async #ask(server: DownstreamServer, isWanted: () => boolean): Promise<ModernLink | undefined> {
    const { open, modern } = this.#options;
    if (this.#isClosed) throw new GatewayError(Code.Unavailable, 'The gateway is shutting down');
    let pipe: DownstreamLink | undefined;
    pipe = await open(server, {
      message: () => {},
      restarted: () => {
        if (pipe !== undefined && modern(pipe) === undefined) this.#left(server, pipe);
      },
    });
    const link = modern(pipe);
    const isKept = link !== undefined && isWanted();
    if (!isKept) await pipe.close();
    if (isWanted()) this.#keep(server, { link, pipe: isKept ? pipe : undefined });
    return link;
  }

  #keep({ id, revision }: DownstreamServer, found: Omit<Known, 'revision'>): void {
    const before = this.#known.get(id);
    this.#known.set(id, { revision, ...found });
    void before?.pipe?.close();
  }

  /** What runs there now is of the legacy era. */
  #left({ id }: DownstreamServer, pipe: DownstreamLink): void {
    if (this.#known.get(id)?.pipe === pipe) this.forget(id);
  }
}
