import { Code, GatewayError } from '../protocol/errors.ts';
import type { ModernLink } from './modern-port.ts';
import type { DownstreamLink, DownstreamServer, LinkListener } from './port.ts';
import { isUseOf } from './server-id.ts';

export interface ProcessErasOptions {
  /** Takes the gateway's own place at a process, the one that clients which can do nothing share. */
  readonly open: (server: DownstreamServer, listener: LinkListener) => Promise<DownstreamLink>;
  /** The modern era's link on a pipe; undefined where its server is of the legacy era. */
  readonly modern: (pipe: DownstreamLink) => ModernLink | undefined;
  /** A server was found to be of this era. */
  readonly found: (server: DownstreamServer, era: 'modern-only' | 'legacy') => void;
}

interface Known {
  readonly server: DownstreamServer;
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
    const known = this.#at(server);
    if (known !== undefined) return known.link;
    // A record that says so is believed, until a session with the server shows otherwise.
    return server.era === 'legacy' ? undefined : this.find(server);
  }

  /** The same for a server that is another than it was known to be. */
  find(server: DownstreamServer): Promise<ModernLink | undefined> {
    const known = this.known(server);
    if (known !== undefined) return Promise.resolve(known);
    const asking = this.#asking.get(server.id);
    if (asking?.revision === server.revision) return asking.found;
    const found = this.#ask(server).finally(() => {
      if (this.#asking.get(server.id)?.found === found) this.#asking.delete(server.id);
    });
    this.#asking.set(server.id, { revision: server.revision, found });
    return found;
  }

  /** The link where the server is known to be of the modern era. */
  known(server: DownstreamServer): ModernLink | undefined {
    return this.#at(server)?.link;
  }

  /** The records of a server, as everybody has it of whom something is known. */
  records(serverId: string): readonly DownstreamServer[] {
    return [...this.#known.values()].map(({ server }) => server).filter(({ id }) => isUseOf(id, serverId));
  }

  /** Somebody has found out that the server is of the legacy era. */
  foundLegacy(server: DownstreamServer): void {
    if (this.#at(server) === undefined) this.#keep({ server, link: undefined, pipe: undefined });
  }

  /** The server has changed or gone, or begins anew as something else. What is known of its next revision stays. */
  forget(server: DownstreamServer): void {
    const known = this.#at(server);
    if (known === undefined) return;
    this.#known.delete(server.id);
    void known.pipe?.close();
  }

  close(): void {
    this.#isClosed = true;
    for (const { server } of [...this.#known.values()]) this.forget(server);
  }

  async #ask(server: DownstreamServer): Promise<ModernLink | undefined> {
    const { open, modern } = this.#options;
    if (this.#isClosed) throw new GatewayError(Code.Unavailable, 'The gateway is shutting down');
    let pipe: DownstreamLink | undefined;
    pipe = await open(server, {
      message: () => {},
      restarted: () => {
        // What runs there now is of the legacy era.
        if (pipe !== undefined && modern(pipe) === undefined && this.#at(server)?.pipe === pipe)
          this.forget(server);
      },
    });
    const link = modern(pipe);
    if (link === undefined || this.#isClosed) await pipe.close();
    if (!this.#isClosed) this.#keep({ server, link, pipe: link && pipe });
    return link;
  }

  #keep(found: Known): void {
    const { id, revision } = found.server;
    const before = this.#known.get(id);
    // It has changed while it was asked.
    if (before !== undefined && before.server.revision > revision) return void found.pipe?.close();
    this.#known.set(id, found);
    this.#options.found(found.server, found.link === undefined ? 'legacy' : 'modern-only');
    void before?.pipe?.close();
  }

  #at({ id, revision }: DownstreamServer): Known | undefined {
    const known = this.#known.get(id);
    return known?.server.revision === revision ? known : undefined;
  }
}
