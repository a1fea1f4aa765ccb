import type { Bus } from '../coordination/bus.ts';
import type { HttpTarget, ServerEra } from '../db/server-record.ts';
import type { NetworkGuard } from '../networks/guard.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { namesModern } from '../protocol/modern/versions.ts';
import type { Logger } from '../telemetry/types.ts';
import { clientFor } from './authorized-client.ts';
import type { Credentials } from './credentials.ts';
import { Eras } from './eras.ts';
import { type ClientIdentity, discoveryOf } from './handshake.ts';
import { type Dispatch, HttpClient } from './http-client.ts';
import { PostRefused } from './http-errors.ts';
import { HttpLink, type HttpLinkOptions } from './http-link.ts';
import { InputAnswers } from './input-answers.ts';
import { LegacyView } from './legacy-view.ts';
import { ModernPipeLink } from './modern-pipe-link.ts';
import type { ModernConnector, ModernLink } from './modern-port.ts';
import type { Connector, DownstreamLink, DownstreamServer, OpenOptions } from './port.ts';
import { Reaper } from './reaper.ts';
import { usesIn } from './server-id.ts';
import { SseLink } from './sse-link.ts';
import { StdioServer } from './stdio-server.ts';

export interface ConnectorOptions {
  readonly identity: ClientIdentity;
  readonly logger: Logger;
  readonly stdioAllowed: boolean;
  /** Where servers with a URL may be. */
  readonly networks: NetworkGuard;
  /** What log-ins to them have brought. */
  readonly credentials: Credentials;
  /** A link to the gateway's own tools for the owner of this server. */
  readonly builtin: (server: DownstreamServer) => DownstreamLink;
  readonly connectTimeoutMs: number;
  /** For the handshake with an HTTP server, in milliseconds. */
  readonly handshakeTimeoutMs: number;
  readonly stdioStartTimeoutMs: number;
  readonly stdioIdleMs: number;
  readonly maxMessageBytes: number;
  /** Brings answers of clients to the node that asked. */
  readonly bus: Bus;
  /** A server was found to speak something else than its record says. */
  readonly noteEra: (server: DownstreamServer, era: ServerEra) => void;
}

export const STDIO_OFF =
  'Servers that are processes are switched off on this gateway (DRAGON_STDIO); an operator has to allow them';

/** A server of the legacy era need not answer what it does not know, and is not waited for long, in milliseconds. */
const ERA_PATIENCE_MS = 3000;

/** Picks the transport of a server and keeps what links share: connection pools and processes. */
export class TransportConnector implements Connector, ModernConnector {
  readonly #options: ConnectorOptions;
  readonly #client: HttpClient;
  readonly #eras: Eras;
  readonly #answers: InputAnswers;
  readonly #reaper = new Reaper();
  /** Those that this connector has opened by itself, by server id, then by what the client can do. */
  readonly #processes = new Map<string, Map<string, StdioServer>>();
  /** Those that somebody else keeps. */
  readonly #kept = new Set<StdioServer>();
  /** Servers known to speak the older HTTP+SSE, with the revision of their record that they were found with. */
  readonly #older = new Map<string, number>();
  /** Servers of the modern era that have no sessions of the legacy one, with the revision of their record. */
  readonly #asModern = new Map<string, number>();
  /** What was written down since the records of servers were read. */
  readonly #noted = new Map<string, ServerEra>();
  #closed = false;

  constructor(options: ConnectorOptions) {
    this.#options = options;
    this.#client = new HttpClient({
      networks: options.networks,
      connectTimeoutMs: options.connectTimeoutMs,
      maxMessageBytes: options.maxMessageBytes,
    });
    const { handshakeTimeoutMs, identity } = options;
    this.#answers = new InputAnswers(options.bus);
    const patience = Math.min(handshakeTimeoutMs, ERA_PATIENCE_MS);
    this.#eras = new Eras({
      client: (server, target) => this.#clientFor(server, target),
      identity,
      deadlines: { idleMs: patience, totalMs: patience },
      found: (server, era) => this.#note(server, era),
    });
  }

  /** Processes that run now. */
  get processCount(): number {
    const own = [...this.#processes.values()].flatMap((servers) => [...servers.values()]);
    return [...own, ...this.#kept].filter(({ isRunning }) => isRunning).length;
  }

  /** Why processes are not started here; undefined where they are. */
  get stdioOff(): string | undefined {
    return this.#options.stdioAllowed ? undefined : STDIO_OFF;
  }

  /** A server that is a process, for whoever keeps it, and ends it with {@link endProcess}. */
  keepProcess(server: DownstreamServer, clientCapabilities: Readonly<Record<string, unknown>>): StdioServer {
    const kept = this.#newProcess(server, clientCapabilities);
    this.#kept.add(kept);
    return kept;
  }

  /** Ends a process that was kept. What is under way there fails with the reason. */
  async endProcess(kept: StdioServer, reason: GatewayError): Promise<void> {
    await kept.stop(reason);
    this.#kept.delete(kept);
  }

  async open(server: DownstreamServer, options: OpenOptions): Promise<DownstreamLink> {
    if (this.#closed) throw new GatewayError(Code.Unavailable, 'The gateway is shutting down');
    const { target } = server;
    if (target.kind === 'http') {
      const deadlines = {
        idleMs: this.#options.handshakeTimeoutMs,
        totalMs: this.#options.handshakeTimeoutMs,
      };
      return this.#openHttp(server, target, {
        ...options,
        client: this.#clientFor(server, target),
        identity: this.#options.identity,
        handshakeDeadlines: deadlines,
      });
    }
    if (target.kind === 'builtin') return this.#options.builtin(server);
    if (!this.#options.stdioAllowed) throw new GatewayError(Code.FailedPrecondition, STDIO_OFF);
    const pipe = await this.#stdioServer(server, options.clientCapabilities).attach(options.listener);
    const modern = this.modernOver(pipe);
    return modern === undefined ? pipe : this.view(modern, options);
  }

  modern(server: DownstreamServer): ModernLink | undefined | Promise<ModernLink | undefined> {
    return server.target.kind === 'http' ? this.#eras.of(server, server.target) : undefined;
  }

  /** The modern era's link on a pipe to a process; undefined where its server is of the legacy era. */
  modernOver(pipe: DownstreamLink): ModernLink | undefined {
    const discovery = discoveryOf(pipe.handshake);
    return discovery && new ModernPipeLink(pipe, discovery, this.#options.identity);
  }

  /** A server that is a process was found to be of this era, and of no other. */
  foundProcess(server: DownstreamServer, era: 'modern-only' | 'legacy'): void {
    if (server.era !== era) this.#options.noteEra(server, era);
  }

  /** A server of the modern era as a session of the legacy one has it. */
  view(modern: ModernLink, options: OpenOptions): DownstreamLink {
    return new LegacyView(modern, { ...options, identity: this.#options.identity, answers: this.#answers });
  }

  async drop(serverId: string): Promise<void> {
    this.#eras.forget(serverId);
    for (const known of [this.#noted, this.#older, this.#asModern])
      for (const id of usesIn(known, serverId)) known.delete(id);
    const stopping: Promise<void>[] = [];
    for (const id of usesIn(this.#processes, serverId)) {
      stopping.push(...[...(this.#processes.get(id)?.values() ?? [])].map((server) => server.stop()));
      this.#processes.delete(id);
    }
    await Promise.all(stopping);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await Promise.all([
      ...[...this.#processes.keys()].map((id) => this.drop(id)),
      ...[...this.#kept].map((server) => server.stop()),
    ]);
    this.#answers.close();
    this.#reaper.close();
    await this.#client.close();
  }

  #clientFor(server: DownstreamServer, target: HttpTarget): Dispatch {
    return clientFor(this.#client, server, target, this.#options.credentials);
  }

  /** As the server's era has it; of the legacy one Streamable HTTP, or, where the server refuses the POST, the older HTTP+SSE (2025-11-25, transports: Backwards Compatibility). */
  async #openHttp(
    server: DownstreamServer,
    target: HttpTarget,
    options: HttpLinkOptions,
  ): Promise<DownstreamLink> {
    const modern = await this.#modernFor(server, target, options);
    if (modern !== undefined) return this.#view(modern, options);
    const known = this.#older.get(server.id);
    if (known === server.revision) return SseLink.open(server, target, options);
    let link: HttpLink;
    try {
      link = await HttpLink.open(server, target, options);
    } catch (error) {
      const modern = refuses(error) ? await this.#askedAgain(server, target) : undefined;
      if (modern !== undefined) return this.#view(modern, options);
      if (!(error instanceof PostRefused)) throw error;
      return this.#openOlder(server, target, options, error);
    }
    if (options.resume !== undefined || link.portable.sessionId !== undefined) return link;
    // Without a session a server can ask its clients nothing, unless it speaks the modern era, too.
    const better = await this.#eras.of(server, target);
    return better === undefined ? link : this.#view(better, options);
  }

  async #openOlder(
    server: DownstreamServer,
    target: HttpTarget,
    options: HttpLinkOptions,
    refusal: PostRefused,
  ): Promise<DownstreamLink> {
    try {
      const link = await SseLink.open(server, target, options);
      this.#older.set(server.id, server.revision);
      return link;
    } catch {
      // It is not of the older transport either: what the newer one said is what helps.
      throw refusal;
    }
  }

  /** It refused `initialize`: whatever it was believed to be, that is not how servers of the legacy era behave. */
  #askedAgain(
    server: DownstreamServer,
    target: HttpTarget,
  ): ModernLink | undefined | Promise<ModernLink | undefined> {
    if (this.#eras.recorded(server) === 'legacy') this.#eras.doubt(server);
    return this.#eras.of(server, target);
  }

  #note(server: DownstreamServer, era: ServerEra): void {
    const before = this.#noted.get(server.id) ?? server.era;
    // Of one that speaks the modern era, more than that may be known.
    if (before === era || (before === 'modern-only' && era === 'modern')) return;
    this.#noted.set(server.id, era);
    this.#options.noteEra(server, era);
  }

  #view(modern: ModernLink, options: HttpLinkOptions): DownstreamLink {
    const { server } = modern;
    if (options.prefersModern !== true && this.#asModern.get(server.id) !== server.revision) {
      this.#asModern.set(server.id, server.revision);
      this.#note(server, 'modern-only');
    }
    return this.view(modern, options);
  }

  /** The modern era's link where that is the one to use. A server with sessions that speaks both is used in the era of its client. */
  async #modernFor(
    server: DownstreamServer,
    target: HttpTarget,
    { resume, prefersModern = false }: OpenOptions,
  ): Promise<ModernLink | undefined> {
    const isWanted =
      prefersModern ||
      this.#asModern.get(server.id) === server.revision ||
      this.#eras.recorded(server) === 'modern-only' ||
      (resume !== undefined && namesModern(resume.handshake.protocolVersion));
    return isWanted ? this.#eras.of(server, target) : undefined;
  }

  #stdioServer(server: DownstreamServer, clientCapabilities: Readonly<Record<string, unknown>>): StdioServer {
    const capabilityKey = JSON.stringify(clientCapabilities);
    const servers = this.#processes.get(server.id) ?? new Map<string, StdioServer>();
    this.#processes.set(server.id, servers);
    const known = servers.get(capabilityKey);
    if (known !== undefined) return known;
    const created = this.#newProcess(server, clientCapabilities);
    servers.set(capabilityKey, created);
    return created;
  }

  #newProcess(server: DownstreamServer, clientCapabilities: Readonly<Record<string, unknown>>): StdioServer {
    if (server.target.kind !== 'stdio') throw new TypeError('not a stdio server');
    return new StdioServer(server, server.target, {
      clientCapabilities,
      identity: this.#options.identity,
      reaper: this.#reaper,
      logger: this.#options.logger,
      startTimeoutMs: this.#options.stdioStartTimeoutMs,
      idleMs: this.#options.stdioIdleMs,
      maxMessageBytes: this.#options.maxMessageBytes,
    });
  }
}

/** What `initialize` came to says that the server does not speak as legacy servers do; a server that is away says nothing. */
function refuses(error: unknown): boolean {
  return error instanceof GatewayError && error.code === Code.DownstreamProtocol;
}
