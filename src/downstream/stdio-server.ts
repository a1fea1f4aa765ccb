import type { StdioTarget } from '../db/server-record.ts';
import { preview } from '../protocol/answer.ts';
import { type Message, parseMessage, type RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { LISTEN } from '../protocol/modern/subscriptions.ts';
import type { LogFields, Logger } from '../telemetry/types.ts';
import { Backoff } from './backoff.ts';
import { DownstreamAnswerError } from './call.ts';
import type { Channel } from './channel.ts';
import { discover, initialize } from './channel-handshake.ts';
import { type ClientIdentity, handshakeOf } from './handshake.ts';
import { LineBudget } from './line-budget.ts';
import { UnspeakableServer } from './modern-probe.ts';
import { Multiplexer } from './multiplexer.ts';
import type {
  AnswerSink,
  CancelRequest,
  Deadlines,
  DownstreamLink,
  DownstreamServer,
  LinkListener,
  ServerHandshake,
} from './port.ts';
import type { Reaper } from './reaper.ts';
import type { Share } from './stdio-pending.ts';
import { StdioProcess } from './stdio-process.ts';

const MAX_DEPTH = 512;

/** A restart that is due this soon is waited for; a later one is an error that says when. */
const PATIENCE_MS = 1000;

/** A process that ran this long was a good one: its end starts the back-off anew. */
const HEALTHY_MS = 60_000;

export interface StdioServerOptions {
  readonly clientCapabilities: Readonly<Record<string, unknown>>;
  readonly identity: ClientIdentity;
  readonly reaper: Reaper;
  readonly logger: Logger;
  readonly startTimeoutMs: number;
  readonly idleMs: number;
  readonly maxMessageBytes: number;
}

interface AttachOptions {
  /** The gateway's own: nobody is behind it whom the server could ask. */
  readonly isUnattended?: boolean;
  /** What the server said of itself before: with it, a process at rest is left at rest. */
  readonly known?: ServerHandshake | undefined;
}

interface Running {
  readonly process: StdioProcess;
  readonly handshake: ServerHandshake;
}

/**
 * A server that is a process: started by the first request, shared by all sessions of its owner whose clients can do
 * the same, stopped when idle, started again after a crash. MCP fixes a client's capabilities at the handshake, which
 * is why clients that can do different things can't share one process.
 */
export class StdioServer {
  readonly server: DownstreamServer;
  readonly #target: StdioTarget;
  readonly #options: StdioServerOptions;
  readonly #multiplexer: Multiplexer;
  readonly #budget = new LineBudget();
  readonly #backoff = new Backoff(500, 30_000);
  #starting: Promise<Running> | undefined;
  #process: StdioProcess | undefined;
  #running: Running | undefined;
  #notBefore = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  #garbage = '';
  #stopping = false;
  /** It was found to be of the modern era. */
  #isModern: boolean;

  constructor(server: DownstreamServer, target: StdioTarget, options: StdioServerOptions) {
    this.server = server;
    this.#target = target;
    this.#options = options;
    this.#isModern = server.era === 'modern-only';
    this.#multiplexer = new Multiplexer(server.name, () => this.#armIdle());
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  /** Nothing is under way. */
  get isIdle(): boolean {
    return this.#multiplexer.isIdle;
  }

  async attach(listener: LinkListener, options: AttachOptions = {}): Promise<StdioLink> {
    const { known, isUnattended = false } = options;
    const handshake = known ?? (await this.#ensure()).handshake;
    const link = new StdioLink(this, listener, this.#running?.handshake ?? handshake, isUnattended);
    this.#multiplexer.add(link);
    return link;
  }

  detach(link: StdioLink): void {
    this.#multiplexer.remove(link);
    // One process does for all clients of a modern server, and this is not that one.
    if (this.#isModern && this.#running !== undefined && !this.#multiplexer.isShared) this.#rest();
  }

  /** Ends the process for good. `reason`: of what is under way; else how the process ended. */
  async stop(reason?: GatewayError): Promise<void> {
    this.#stopping = true;
    this.#running = undefined;
    clearTimeout(this.#idleTimer);
    // Whoever listens to a process at rest has nothing else that could end it.
    if (reason !== undefined || this.#process === undefined)
      this.#multiplexer.closed(reason ?? this.#unavailable('is being stopped'));
    await this.#process?.stop();
  }

  request(link: StdioLink, request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    if ((this.#running?.process.unread ?? 0) > this.#options.maxMessageBytes) {
      sink.fail(this.#unavailable('does not read what it is sent'));
      return () => {};
    }
    if (this.#stopping) {
      sink.fail(this.#unavailable('is being stopped'));
      return () => {};
    }
    // Whoever listens does not keep it from its rest.
    if (request.method !== LISTEN) clearTimeout(this.#idleTimer);
    return this.#multiplexer.request(link, request, sink, deadlines, () => this.#ensure());
  }

  send(link: StdioLink, message: Message): void {
    this.#multiplexer.send(link, message);
  }

  async #ensure(): Promise<Running> {
    if (this.#running !== undefined) return this.#running;
    this.#starting ??= this.#start().finally(() => {
      this.#starting = undefined;
    });
    return this.#starting;
  }

  async #start(): Promise<Running> {
    const wait = this.#notBefore - Date.now();
    if (wait > PATIENCE_MS) {
      const seconds = Math.ceil(wait / 1000);
      throw this.#unavailable(`keeps failing and is started again in ${seconds} s`, seconds);
    }
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
    if (this.#stopping) throw this.#unavailable('is being stopped');
    const startedAt = Date.now();
    this.#garbage = '';
    const early = Promise.withResolvers<never>();
    const process = new StdioProcess({
      target: this.#target,
      reaper: this.#options.reaper,
      maxMessageBytes: this.#options.maxMessageBytes,
      onLine: (line) => this.#line(process, line),
      onStderr: (line) => this.#print('info', 'downstream stderr', { stderr: this.#redact(line) }),
      onExit: (reason) => early.reject(this.#exited(process, this.#redact(reason), startedAt)),
    });
    this.#process = process;
    early.promise.catch(() => {});
    try {
      const handshake = await Promise.race([this.#handshake(process), early.promise]);
      this.#running = { process, handshake };
      for (const link of this.#multiplexer.shares) {
        if (link instanceof StdioLink) link.handshake = handshake;
        link.listener.restarted();
      }
      this.#options.logger.info('downstream process started', { server: this.server.name, pid: process.pid });
      this.#armIdle();
      return this.#running;
    } catch (error) {
      process.kill();
      if (this.#process === process) this.#notBefore = Date.now() + this.#backoff.next();
      throw this.#explain(error);
    }
  }

  /** As its era has it. A server that refuses the legacy one's is asked whether it is of the modern one. */
  async #handshake(process: StdioProcess): Promise<ServerHandshake> {
    const { identity, clientCapabilities, startTimeoutMs } = this.#options;
    const deadlines = { idleMs: startTimeoutMs, totalMs: startTimeoutMs };
    const opening = this.#multiplexer.open(process);
    let refusal: unknown;
    if (!this.#isModern) {
      try {
        const never = new AbortController().signal;
        return await initialize(opening, identity, clientCapabilities, deadlines, never);
      } catch (error) {
        if (!refuses(error)) throw error;
        refusal = error;
      }
    }
    const discovery = await discover(opening, identity, deadlines).catch((error) => {
      if (refusal === undefined || error instanceof UnspeakableServer) throw error;
      return undefined;
    });
    this.#isModern = discovery !== undefined;
    if (discovery !== undefined) return handshakeOf(discovery);
    throw refusal ?? this.#unavailable('does not speak the version of MCP any more that it spoke before');
  }

  /** What a failed start looks like to whoever wanted the server. */
  #explain(error: unknown): GatewayError {
    if (error instanceof DownstreamAnswerError) {
      return new GatewayError(
        Code.DownstreamProtocol,
        `Server "${this.server.name}" refused to initialize: ${error.message}`,
      );
    }
    const known = GatewayError.from(error);
    if (known.code !== Code.DownstreamTimeout || this.#garbage === '') return known;
    return new GatewayError(
      known.code,
      `${known.message}; it printed ${preview(this.#garbage)} in place of MCP messages`,
    );
  }

  #exited(process: StdioProcess, reason: string, startedAt: number): GatewayError {
    const error = this.#unavailable(reason);
    if (this.#process !== process) return error;
    this.#process = undefined;
    this.#running = undefined;
    clearTimeout(this.#idleTimer);
    if (Date.now() - startedAt > HEALTHY_MS) this.#backoff.reset();
    if (!this.#stopping) {
      this.#notBefore = Date.now() + this.#backoff.next();
      this.#options.logger.warn('downstream process ended', { server: this.server.name, reason });
    }
    this.#multiplexer.closed(error);
    return error;
  }

  #line(process: Channel, line: string): void {
    if (line.trim() === '') return;
    let message: Message;
    try {
      message = parseMessage(line, MAX_DEPTH);
    } catch {
      this.#garbage = line;
      const printed = { line: preview(this.#redact(line)) };
      return this.#print('warn', 'downstream wrote what is not MCP to stdout', printed);
    }
    this.#multiplexer.receive(process, message);
  }

  #armIdle(): void {
    clearTimeout(this.#idleTimer);
    if (!this.#multiplexer.isIdle || this.#running === undefined) return;
    this.#idleTimer = setTimeout(() => {
      if (this.#multiplexer.isIdle && !this.#multiplexer.hasSubscriptions) this.#rest();
    }, this.#options.idleMs);
    this.#idleTimer.unref();
  }

  /** Idle: the process ends, the server stays; the next request starts it again at once. */
  #rest(): void {
    const process = this.#process;
    this.#process = undefined;
    this.#running = undefined;
    this.#multiplexer.rested();
    this.#options.logger.info('downstream process idle, stopped', { server: this.server.name });
    void process?.stop();
  }

  #unavailable(reason: string, retryAfter?: number): GatewayError {
    const details = retryAfter === undefined ? {} : { retryAfter };
    return new GatewayError(Code.DownstreamUnavailable, `Server "${this.server.name}" ${reason}`, details);
  }

  /** Logs what the process prints, as far as its budget goes. */
  #print(level: 'info' | 'warn', message: string, fields: LogFields): void {
    const heldBack = this.#budget.take();
    if (heldBack === undefined) return;
    const gap = heldBack === 0 ? {} : { heldBack };
    this.#options.logger[level](message, { server: this.server.name, ...fields, ...gap });
  }

  /** A server may print its environment; the values are its owner's secrets. */
  #redact(text: string): string {
    let redacted = text;
    for (const value of Object.values(this.#target.env)) {
      if (value.length >= 4) redacted = redacted.replaceAll(value, '***');
    }
    return redacted;
  }
}

/** What the server says to `initialize` says that it does not speak as legacy servers do. */
function refuses(error: unknown): boolean {
  return (
    error instanceof DownstreamAnswerError ||
    (error instanceof GatewayError && error.code === Code.DownstreamProtocol)
  );
}

/** One session's share of a {@link StdioServer}. */
export class StdioLink implements DownstreamLink, Share {
  readonly server: DownstreamServer;
  readonly listener: LinkListener;
  readonly isUnattended: boolean;
  handshake: ServerHandshake;
  readonly #host: StdioServer;

  constructor(host: StdioServer, listener: LinkListener, handshake: ServerHandshake, isUnattended: boolean) {
    this.server = host.server;
    this.listener = listener;
    this.handshake = handshake;
    this.isUnattended = isUnattended;
    this.#host = host;
  }

  request(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    return this.#host.request(this, request, sink, deadlines);
  }

  send(message: Message): void {
    this.#host.send(this, message);
  }

  /** A process says everything on one pipe; there is nothing to open. */
  listen(): void {}

  unlisten(): void {}

  readonly portable = undefined;

  release(): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    this.#host.detach(this);
  }
}
