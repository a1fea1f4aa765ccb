import { createHash } from 'node:crypto';
import type { Owner } from '../auth/principal.ts';
import type { Bus } from '../coordination/bus.ts';
import type { Leases } from '../coordination/leases.ts';
import type { Members } from '../coordination/members.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { namesModern } from '../protocol/modern/versions.ts';
import type { Logger, Tracing } from '../telemetry/types.ts';
import type { TransportConnector } from './connector.ts';
import { LinkHost, type WantedProcess } from './link-host.ts';
import { replaced } from './link-messages.ts';
import { LocatedProcess } from './located-process.ts';
import type { ModernConnector, ModernLink } from './modern-port.ts';
import { NodeWatch } from './node-watch.ts';
import type { Connector, DownstreamLink, DownstreamServer, OpenOptions } from './port.ts';
import { ProcessEras } from './process-eras.ts';
import { ProcessLeases } from './process-leases.ts';
import { ProcessLink } from './process-link.ts';
import type { HostedOptions, LocalAttachment } from './process-share.ts';
import { RemoteLinks } from './remote-links.ts';
import { isUseOf } from './server-id.ts';

/** Between two looks at what can be given up, in milliseconds. */
const SWEEP_MS = 1000;

/** An owner that starts a process answers after the time for that, and this. */
const OPEN_MARGIN_MS = 10_000;

/** Part of the id of a server that is only tried out, see the server manager: a process of its own, on this node. */
const TRIAL = '#';

const NEVER = new AbortController().signal;

export interface OwnedConnectorOptions {
  /** Opens everything else, and the processes that are this node's to run. */
  readonly local: TransportConnector;
  readonly bus: Bus;
  readonly leases: Leases;
  readonly members: Members;
  readonly logger: Logger;
  /** For the start of a process, in milliseconds. */
  readonly startTimeoutMs: number;
  /** An owner's server at this revision; undefined where there is none such that is enabled. */
  readonly find: (owner: Owner, id: string, revision: number) => Promise<DownstreamServer | undefined>;
  /** The process of a server runs elsewhere than before. */
  readonly onMoved: (server: DownstreamServer) => void;
  readonly tracing?: Tracing | undefined;
}

/**
 * Runs each server that is a process once in the cluster: on the node that has its lease. Links of other nodes reach it
 * over the bus. Where there is one node only, that has all leases.
 */
export class OwnedConnector implements Connector, ModernConnector {
  readonly #options: OwnedConnectorOptions;
  readonly #leases: ProcessLeases;
  readonly #remote: RemoteLinks;
  readonly #host: LinkHost;
  readonly #watch: NodeWatch;
  readonly #sweeper: NodeJS.Timeout;
  readonly #processes = new Map<string, LocatedProcess>();
  readonly #eras: ProcessEras;
  readonly #drained = new AbortController();
  #draining: Promise<unknown> = Promise.resolve();
  #isDraining = false;

  constructor(options: OwnedConnectorOptions) {
    this.#options = options;
    const { bus, leases, members, startTimeoutMs, tracing } = options;
    this.#leases = new ProcessLeases(leases, bus);
    this.#remote = new RemoteLinks(bus, startTimeoutMs + OPEN_MARGIN_MS);
    this.#host = new LinkHost({
      bus,
      tracing,
      isMember: (node) => members.isAlive(node),
      attach: (wanted, attaching) => this.#serve(wanted, attaching),
    });
    this.#eras = new ProcessEras({
      open: (server, listener) => {
        const options = { clientCapabilities: {}, listener, signal: NEVER };
        return ProcessLink.open(this.#process(server, {}), options);
      },
      modern: (pipe) => options.local.modernOver(pipe),
      found: (server, era) => options.local.foundProcess(server, era),
    });
    this.#watch = new NodeWatch({
      members,
      bus,
      watched: () => new Set([...this.#remote.nodes(), ...this.#host.nodes()]),
      onGone: (node) => this.#gone(node),
    });
    this.#sweeper = setInterval(() => this.#sweep(), SWEEP_MS);
    this.#sweeper.unref();
  }

  async open(server: DownstreamServer, options: OpenOptions): Promise<DownstreamLink> {
    const { local } = this.#options;
    if (!this.#isOwned(server)) return local.open(server, options);
    const isModern =
      server.era === 'modern-only' ||
      (options.resume !== undefined && namesModern(options.resume.handshake.protocolVersion));
    const modern = isModern ? await this.#eras.of(server) : this.#eras.known(server);
    if (modern !== undefined) return local.view(modern, options);
    const link = await ProcessLink.open(this.#process(server, options.clientCapabilities), options);
    if (local.modernOver(link) === undefined) {
      this.#eras.foundLegacy(server);
      return link;
    }
    // What its clients can do is no matter of the process: the one that they all share is used.
    const found = await this.#eras.find(server).finally(() => link.close());
    if (found !== undefined) return local.view(found, options);
    throw new GatewayError(
      Code.DownstreamUnavailable,
      `Server "${server.name}" speaks another version of MCP each time it is started`,
    );
  }

  modern(
    server: DownstreamServer,
    _signal: AbortSignal,
  ): ModernLink | undefined | Promise<ModernLink | undefined> {
    return this.#isOwned(server) ? this.#eras.of(server) : this.#options.local.modern(server);
  }

  /** Requests to processes that run on another node than their sender. */
  get forwards(): readonly (readonly ['sent' | 'served', number])[] {
    return [
      ['sent', this.#remote.sent],
      ['served', this.#host.served],
    ];
  }

  async drop(serverId: string): Promise<void> {
    const ofServer = [...this.#processes.values()].filter(({ server }) => isUseOf(server.id, serverId));
    await Promise.all([
      this.#options.local.drop(serverId),
      ...ofServer.map(async (process) => {
        // Another node may have heard of the change first, and have the new process here already.
        if (!(await this.#isCurrent(process.server))) await process.close(true);
      }),
    ]);
    for (const known of this.#eras.records(serverId))
      if (!(await this.#isCurrent(known))) this.#eras.forget(known);
  }

  /** This node is about to stop: processes that other nodes use go there as soon as nothing runs in them, at the latest after `graceMs`. */
  drain(graceMs: number): void {
    if (this.#isDraining) return;
    this.#isDraining = true;
    setTimeout(() => this.#drained.abort(), graceMs).unref();
    const { signal } = this.#drained;
    this.#draining = Promise.allSettled(
      [...this.#processes.values()].map((process) => process.drain(signal)),
    );
  }

  async close(): Promise<void> {
    await this.#draining;
    clearInterval(this.#sweeper);
    this.#watch.close();
    await Promise.all([...this.#processes.values()].map((process) => process.close(false)));
    this.#eras.close();
    this.#remote.close();
    this.#host.close();
    this.#leases.close();
    await this.#options.local.close();
  }

  /** A process that runs once in the cluster. */
  #isOwned(server: DownstreamServer): boolean {
    const isProcess = server.target.kind === 'stdio' && !server.id.includes(TRIAL);
    return isProcess && this.#options.local.stdioOff === undefined;
  }

  /** By what makes it another process: MCP fixes what a client can do at the handshake. */
  #process(server: DownstreamServer, clientCapabilities: Readonly<Record<string, unknown>>): LocatedProcess {
    const hash = createHash('sha256').update(JSON.stringify(clientCapabilities)).digest('base64url');
    const resource = `process:${server.id}:${server.revision}:${hash.slice(0, 16)}`;
    const known = this.#processes.get(resource);
    if (known !== undefined) return known;
    const { local, bus, logger, onMoved } = this.#options;
    const process: LocatedProcess = new LocatedProcess({
      resource,
      server,
      clientCapabilities,
      nodeId: bus.nodeId,
      leases: this.#leases,
      remote: this.#remote,
      processes: local,
      logger,
      isCurrent: (record) => this.#isCurrent(record),
      onMoved,
      onUnused: () => {
        if (this.#processes.get(resource) === process) this.#processes.delete(resource);
      },
    });
    this.#processes.set(resource, process);
    if (this.#isDraining) void process.drain(this.#drained.signal);
    return process;
  }

  /** For another node: the record is looked up here, so that no secret travels. */
  async #serve(wanted: WantedProcess, options: HostedOptions): Promise<LocalAttachment> {
    const { tenantId, userId, serverId, serverName, revision, clientCapabilities } = wanted;
    const { stdioOff } = this.#options.local;
    if (stdioOff !== undefined) throw new GatewayError(Code.FailedPrecondition, stdioOff);
    const server = await this.#options.find({ tenantId, userId }, serverId, revision);
    if (server?.target.kind !== 'stdio') throw replaced(serverName);
    return this.#process(server, clientCapabilities).serve(options);
  }

  /** While the database is away, what is known counts. */
  async #isCurrent({ owner, id, revision }: DownstreamServer): Promise<boolean> {
    const { find } = this.#options;
    return find(owner, id, revision).then(
      (server) => server !== undefined,
      () => true,
    );
  }

  #gone(node: string): void {
    this.#remote.gone(node);
    this.#host.gone(node);
    for (const process of this.#processes.values()) process.gone(node);
  }

  #sweep(): void {
    this.#remote.sweep();
    for (const process of this.#processes.values()) process.sweep();
  }
}
