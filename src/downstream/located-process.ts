import type { Lease } from '../coordination/leases.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import type { TransportConnector } from './connector.ts';
import { HostedProcess } from './hosted-process.ts';
import { nowhere, outcomeUnknown, replaced } from './link-messages.ts';
import type { DownstreamServer } from './port.ts';
import type { ProcessLeases } from './process-leases.ts';
import { Displaced, type Displacement, type Ending, type Place } from './process-place.ts';
import type { HostedOptions, LocalAttachment } from './process-share.ts';
import type { ProcessName, RemoteLinks } from './remote-links.ts';

/** Between two looks for the owner of a process that has lost its own, in milliseconds, about. */
const RETRY_MS = 500;

/** For so long it is looked for; longer than a draining node may take over its last calls. */
const SEARCH_MS = 30_000;

/** For so long the store may be away while a process is looked for that was there. */
const HICCUP_MS = 2500;

/** A node that is about to stop takes a process only where no other does for so long. */
const DRAINING_PATIENCE_MS = 1500;

/** One who uses the process on this node. */
export interface Follower {
  /** It is no longer where it was. */
  displaced(): void;
  found(place: Place): void;
  /** It is nowhere any more. */
  shut(error: GatewayError): void;
}

export interface LocatedProcessOptions extends ProcessName {
  /** Of the lease. */
  readonly resource: string;
  readonly nodeId: string;
  readonly leases: ProcessLeases;
  readonly remote: RemoteLinks;
  readonly processes: Pick<TransportConnector, 'keepProcess' | 'endProcess'>;
  readonly logger: Logger;
  /** Whether the record of the server is still this one. */
  readonly isCurrent: (server: DownstreamServer) => Promise<boolean>;
  /** It runs elsewhere than before. */
  readonly onMoved: (server: DownstreamServer) => void;
  /** Nobody here uses it, and it does not run here. */
  readonly onUnused: () => void;
}

/** A process as this node sees it: where it runs in the cluster, and who here follows it there. */
export class LocatedProcess {
  readonly server: DownstreamServer;
  readonly #options: LocatedProcessOptions;
  readonly #followers = new Set<Follower>();
  #hosted: HostedProcess | undefined;
  #place: Place | undefined;
  /** Of the place on another node. */
  #remote: Lease | undefined;
  /** Where it was. The owner may have it still. */
  #left: { readonly place: Place; readonly lease: Lease; readonly how: Displacement } | undefined;
  #finding: Promise<Place> | undefined;
  #handingOver: Promise<void> | undefined;
  #wake: (() => void) | undefined;
  #hasMoved = false;
  /** Set once this node is about to stop; aborted when calls are to be cut. */
  #draining: AbortSignal | undefined;
  #freeSince: number | undefined;
  #fault: GatewayError | undefined;

  constructor(options: LocatedProcessOptions) {
    this.#options = options;
    this.server = options.server;
  }

  /** Where it runs, as far as is known. */
  get place(): Place | undefined {
    return this.#place;
  }

  follow(follower: Follower): void {
    this.#followers.add(follower);
  }

  unfollow(follower: Follower): void {
    this.#followers.delete(follower);
    this.#considerEnd();
  }

  /** Where it runs; on this node, where it ran nowhere. Throws Unavailable where that can't be found out. */
  find(): Promise<Place> {
    if (this.#place !== undefined) return Promise.resolve(this.#place);
    this.#finding ??= this.#search().finally(() => {
      this.#finding = undefined;
      this.#considerEnd();
    });
    return this.#finding;
  }

  /** For another node. Throws {@link Displaced} where it is not this node's to run. */
  async serve(options: HostedOptions): Promise<LocalAttachment> {
    if (this.#hosted === undefined && this.#draining !== undefined) throw new Displaced('moved');
    if (this.#hosted === undefined) await this.find();
    const hosted = this.#hosted;
    if (hosted === undefined) throw new Displaced('moved');
    try {
      return await hosted.attach(options);
    } catch (error) {
      // Somebody waits for it: this node, which is about to stop, need not keep it until it does.
      if (error instanceof Displaced && this.#draining !== undefined)
        void this.#handOver(hosted, this.#draining);
      throw error;
    }
  }

  /** Whoever uses it has found that it is not there any more. */
  displaced(place: Place, how: Displacement): void {
    if (how === 'moved') this.#wake?.();
    if (this.#place !== place) return;
    this.#left = this.#remote && { place, how, lease: this.#remote };
    this.#place = undefined;
    this.#remote = undefined;
    this.#hasMoved = true;
    for (const follower of this.#followers) follower.displaced();
    if (this.#followers.size > 0) this.find().catch(() => {});
  }

  /** A node has gone. */
  gone(node: string): void {
    if (this.#place !== undefined && this.#remote?.owner === node) this.displaced(this.#place, 'doubted');
  }

  /** This node is about to stop. Resolves when other nodes can have the process, where they want it. */
  async drain(signal: AbortSignal): Promise<void> {
    this.#draining = signal;
    const hosted = this.#hosted;
    hosted?.drain();
    if (hosted?.isUsedElsewhere) await this.#handOver(hosted, signal);
  }

  /** Ends it here when nobody uses it. */
  sweep(): void {
    const hosted = this.#hosted;
    if (hosted?.isUnused) void this.#end(hosted, replaced(this.server.name), 'moved');
  }

  /** Ends it here, and nobody finds it again. `isGone`: the server was changed or removed, which is so for all nodes. */
  async close(isGone: boolean): Promise<void> {
    const { name } = this.server;
    this.#fault = isGone
      ? replaced(name)
      : new GatewayError(Code.Unavailable, 'The gateway is shutting down');
    this.#wake?.();
    await this.#handingOver;
    const hosted = this.#hosted;
    if (hosted !== undefined)
      await this.#end(hosted, isGone ? replaced(name) : outcomeUnknown(name), isGone ? 'gone' : 'moved');
    for (const follower of [...this.#followers]) follower.shut(this.#fault);
    this.#considerEnd();
  }

  async #search(): Promise<Place> {
    const began = Date.now();
    // It does not help to ask at once again.
    if (this.#left?.how === 'doubted') await this.#pause();
    for (;;) {
      if (this.#fault !== undefined) throw this.#fault;
      try {
        const place = await this.#look();
        if (place !== undefined) return this.#found(place);
        if (Date.now() > began + SEARCH_MS) throw nowhere(this.server.name);
      } catch (error) {
        // The store may be slow for a moment only. Who opens the process for the first time can try again.
        if (this.#left === undefined || Date.now() > began + HICCUP_MS) throw error;
      }
      await this.#pause();
    }
  }

  /** Undefined where it is not to be had yet. */
  async #look(): Promise<Place | undefined> {
    const { nodeId, remote } = this.#options;
    if (this.#hosted !== undefined) return this.#hosted.isOpen ? this.#hosted : undefined;
    const lease = await this.#lease();
    if (lease === undefined) return undefined;
    if (lease.owner === nodeId) return this.#host(lease);
    const left = this.#left;
    if (left?.lease.owner !== lease.owner || left.lease.token !== lease.token) {
      this.#remote = lease;
      return remote.place(lease.owner, this.#options);
    }
    // The same node still owns it. One that stops has yet to give it up; one that did not listen may do so again.
    if (left.how === 'moved' || !(await remote.hears(lease.owner))) return undefined;
    this.#remote = lease;
    return left.place;
  }

  /** The lease as it stands; this node's own where nobody had it. */
  async #lease(): Promise<Lease | undefined> {
    const { leases, resource } = this.#options;
    if (this.#draining === undefined) return leases.acquire(resource);
    const lease = await leases.holder(resource);
    if (lease !== undefined) {
      this.#freeSince = undefined;
      return lease;
    }
    this.#freeSince ??= Date.now();
    return Date.now() - this.#freeSince < DRAINING_PATIENCE_MS ? undefined : leases.acquire(resource);
  }

  async #host(lease: Lease): Promise<Place | undefined> {
    const { leases, resource, processes, server, clientCapabilities, isCurrent } = this.#options;
    leases.keep(resource, lease, () => this.#lost());
    const isOld = !(await isCurrent(server));
    const fault = this.#fault ?? (isOld ? replaced(server.name) : undefined);
    if (fault !== undefined) {
      await leases.release(resource);
      throw fault;
    }
    // Lost in the time that this took.
    if (!leases.has(resource)) return undefined;
    const hosted = new HostedProcess(processes.keepProcess(server, clientCapabilities));
    if (this.#draining !== undefined) hosted.drain();
    this.#hosted = hosted;
    return hosted;
  }

  #found(place: Place): Place {
    this.#place = place;
    this.#left = undefined;
    if (this.#hasMoved) this.#options.onMoved(this.server);
    for (const follower of [...this.#followers]) follower.found(place);
    return place;
  }

  #pause(): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, RETRY_MS * (0.8 + 0.4 * Math.random()));
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** Finishes what runs, ends the process, and lets another node have it. */
  #handOver(hosted: HostedProcess, signal: AbortSignal): Promise<void> {
    this.#handingOver ??= hosted
      .quiesce(signal)
      .then(() => this.#end(hosted, outcomeUnknown(this.server.name), 'moved'))
      .finally(() => {
        this.#handingOver = undefined;
      });
    return this.#handingOver;
  }

  /** The process first, then the lease, then the news: nobody starts another before this one has ended. */
  async #end(hosted: HostedProcess, reason: GatewayError, why: Ending): Promise<void> {
    const { processes, leases, resource } = this.#options;
    hosted.end();
    await processes.endProcess(hosted.process, reason);
    await leases.release(resource);
    this.#forget(hosted, why);
  }

  /** Another node has the lease: this one was away for too long. */
  #lost(): void {
    const { processes, leases, resource, logger } = this.#options;
    const hosted = this.#hosted;
    leases.forget(resource);
    if (hosted === undefined) return;
    logger.warn('another node has taken over a process; ended here', { server: this.server.name });
    hosted.end();
    processes
      .endProcess(hosted.process, outcomeUnknown(this.server.name))
      .catch((err) => logger.error('a process did not end', { server: this.server.name, err }));
    this.#forget(hosted, 'moved');
  }

  #forget(hosted: HostedProcess, why: Ending): void {
    if (this.#hosted === hosted) this.#hosted = undefined;
    hosted.tell(why);
    this.displaced(hosted, 'moved');
    this.#considerEnd();
  }

  #considerEnd(): void {
    if (this.#followers.size > 0 || this.#hosted !== undefined || this.#finding !== undefined) return;
    this.#options.onUnused();
  }
}
