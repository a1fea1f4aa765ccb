import type { StdioTarget } from '../db/server-record.ts';
import { preview } from '../protocol/answer.ts';
import {
  errorText,
  type Id,
  type Message,
  parseMessage,
  type RequestMessage,
  replaceAt,
  resultText,
} from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Logger } from '../telemetry/types.ts';
import { Backoff } from './backoff.ts';
import { call, DownstreamAnswerError, ownNotification } from './call.ts';
import { Deadline } from './deadline.ts';
import { type ClientIdentity, initializeRequest, readHandshake } from './handshake.ts';
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
import { type Pending, progressNumber, renumber } from './stdio-pending.ts';
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
  readonly #links = new Set<StdioLink>();
  readonly #pending = new Map<number, Pending>();
  /** Requests of the server's that a client is to answer, by id: only the session that was asked may answer. */
  readonly #asked = new Map<Id, StdioLink>();
  readonly #paused = new Set<AnswerSink>();
  readonly #backoff = new Backoff(500, 30_000);
  #starting: Promise<Running> | undefined;
  #process: StdioProcess | undefined;
  #running: Running | undefined;
  #notBefore = 0;
  #lastNumber = 0;
  #idleTimer: NodeJS.Timeout | undefined;
  #subscribed = false;
  #garbage = '';
  #stopping = false;

  constructor(server: DownstreamServer, target: StdioTarget, options: StdioServerOptions) {
    this.server = server;
    this.#target = target;
    this.#options = options;
  }

  get isRunning(): boolean {
    return this.#process !== undefined;
  }

  async attach(listener: LinkListener): Promise<StdioLink> {
    const { handshake } = await this.#ensure();
    const link = new StdioLink(this, listener, handshake);
    this.#links.add(link);
    return link;
  }

  detach(link: StdioLink): void {
    this.#links.delete(link);
    for (const [number, pending] of this.#pending) {
      if (pending.owner === link)
        this.#cancel(number, new GatewayError(Code.Cancelled, 'The session has ended'));
    }
    for (const [id, asked] of this.#asked) {
      if (asked === link) this.#refuse(id);
    }
  }

  /** Ends the process for good. */
  async stop(): Promise<void> {
    this.#stopping = true;
    clearTimeout(this.#idleTimer);
    await this.#process?.stop();
  }

  request(link: StdioLink, request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    const number = ++this.#lastNumber;
    const deadline = new Deadline(deadlines, (error) => this.#cancel(number, error), this.server.name);
    const { text, progressToken } = renumber(request, number);
    this.#pending.set(number, { id: request.id, progressToken, sink, deadline, owner: link });
    clearTimeout(this.#idleTimer);
    if (request.method === 'resources/subscribe') this.#subscribed = true;
    if (this.#running !== undefined) this.#running.process.write(text);
    else {
      this.#ensure().then(
        (running) => {
          if (this.#pending.has(number)) running.process.write(text);
        },
        (error) => this.#settle(number)?.sink.fail(GatewayError.from(error)),
      );
    }
    return (reason) => this.#cancel(number, reason);
  }

  send(link: StdioLink, message: Message): void {
    if (message.kind === 'response') {
      if (this.#asked.get(message.id) !== link) return;
      this.#asked.delete(message.id);
    }
    this.#running?.process.write(message.text);
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
      onStderr: (line) =>
        this.#options.logger.info('downstream stderr', {
          server: this.server.name,
          stderr: this.#redact(line),
        }),
      onExit: (reason) => early.reject(this.#exited(process, this.#redact(reason), startedAt)),
    });
    this.#process = process;
    early.promise.catch(() => {});
    try {
      const handshake = await Promise.race([this.#handshake(process), early.promise]);
      this.#running = { process, handshake };
      for (const link of this.#links) {
        link.handshake = handshake;
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

  async #handshake(process: StdioProcess): Promise<ServerHandshake> {
    const deadlines = { idleMs: this.#options.startTimeoutMs, totalMs: this.#options.startTimeoutMs };
    const channel = {
      request: (request: RequestMessage, sink: AnswerSink): CancelRequest => {
        const number = ++this.#lastNumber;
        const deadline = new Deadline(
          deadlines,
          (error) => this.#settle(number)?.sink.fail(error),
          this.server.name,
        );
        this.#pending.set(number, { id: request.id, progressToken: undefined, sink, deadline, owner: this });
        process.write(renumber(request, number).text);
        return (reason) => this.#settle(number)?.sink.fail(reason);
      },
      send: (message: Message) => void process.write(message.text),
    };
    const request = initializeRequest(this.#options.identity, this.#options.clientCapabilities);
    const { result } = await call(channel, request, deadlines, new AbortController().signal);
    const handshake = readHandshake(this.server.name, result);
    process.write(ownNotification('notifications/initialized').text);
    return handshake;
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
    this.#subscribed = false;
    clearTimeout(this.#idleTimer);
    if (Date.now() - startedAt > HEALTHY_MS) this.#backoff.reset();
    if (!this.#stopping) {
      this.#notBefore = Date.now() + this.#backoff.next();
      this.#options.logger.warn('downstream process ended', { server: this.server.name, reason });
    }
    this.#asked.clear();
    this.#paused.clear();
    for (const number of [...this.#pending.keys()]) this.#settle(number)?.sink.fail(error);
    return error;
  }

  #line(process: StdioProcess, line: string): void {
    if (line.trim() === '') return;
    let message: Message;
    try {
      message = parseMessage(line, MAX_DEPTH);
    } catch {
      this.#garbage = line;
      this.#options.logger.warn('downstream wrote what is not MCP to stdout', {
        server: this.server.name,
        line: preview(this.#redact(line)),
      });
      return;
    }
    switch (message.kind) {
      case 'response':
        return this.#response(message.id, message);
      case 'request':
        return this.#serverRequest(process, message);
      case 'notification':
        return this.#notification(process, message);
    }
  }

  #response(id: Id, message: Message): void {
    const pending = typeof id === 'number' ? this.#settle(id) : undefined;
    if (pending === undefined) return;
    this.#armIdle();
    pending.sink.answer(replaceAt(message, ['id'], JSON.stringify(pending.id)) ?? message.text);
  }

  #notification(process: StdioProcess, message: Message): void {
    const number = progressNumber(message);
    if (number === undefined) {
      for (const link of this.#links) link.listener.message(message);
      return;
    }
    const pending = this.#pending.get(number);
    if (pending?.progressToken === undefined) return;
    pending.deadline.refresh();
    const text = replaceAt(message, ['params', 'progressToken'], pending.progressToken);
    if (text !== undefined) this.#toSink(process, pending.sink, parseMessage(text, MAX_DEPTH));
  }

  #serverRequest(process: StdioProcess, message: RequestMessage): void {
    if (message.method === 'ping') {
      process.write(resultText(message.id, '{}'));
      return;
    }
    // stdio does not say which call a request belongs to: it goes to whoever called last and still waits.
    const pending = [...this.#pending.values()].findLast((each) => this.#links.has(each.owner as StdioLink));
    const link = (pending?.owner as StdioLink | undefined) ?? [...this.#links].at(-1);
    if (link === undefined) {
      process.write(errorText(message.id, -32603, 'No client is connected that could answer'));
      return;
    }
    this.#asked.set(message.id, link);
    if (pending === undefined) link.listener.message(message);
    else {
      pending.deadline.refresh();
      this.#toSink(process, pending.sink, message);
    }
  }

  #toSink(process: StdioProcess, sink: AnswerSink, message: Message): void {
    if (sink.message(message.text, message)) return;
    this.#paused.add(sink);
    process.pause();
    sink.drained = () => {
      sink.drained = undefined;
      this.#paused.delete(sink);
      if (this.#paused.size === 0) process.resume();
    };
  }

  #cancel(number: number, reason: GatewayError): void {
    const pending = this.#settle(number);
    if (pending === undefined) return;
    const params = { requestId: number, reason: reason.message };
    this.#running?.process.write(ownNotification('notifications/cancelled', params).text);
    this.#armIdle();
    pending.sink.fail(reason);
  }

  /** Takes a request out of what is pending. */
  #settle(number: number): Pending | undefined {
    const pending = this.#pending.get(number);
    if (pending === undefined) return undefined;
    this.#pending.delete(number);
    pending.deadline.clear();
    pending.sink.drained?.();
    return pending;
  }

  #refuse(id: Id): void {
    this.#asked.delete(id);
    this.#running?.process.write(errorText(id, -32603, 'The client has gone'));
  }

  #armIdle(): void {
    clearTimeout(this.#idleTimer);
    if (this.#pending.size > 0 || this.#running === undefined) return;
    this.#idleTimer = setTimeout(() => {
      if (this.#pending.size > 0 || this.#subscribed) return;
      this.#rest();
    }, this.#options.idleMs);
    this.#idleTimer.unref();
  }

  /** Idle: the process ends, the server stays; the next request starts it again at once. */
  #rest(): void {
    const process = this.#process;
    this.#process = undefined;
    this.#running = undefined;
    this.#options.logger.info('downstream process idle, stopped', { server: this.server.name });
    void process?.stop();
  }

  #unavailable(reason: string, retryAfter?: number): GatewayError {
    const details = retryAfter === undefined ? {} : { retryAfter };
    return new GatewayError(Code.DownstreamUnavailable, `Server "${this.server.name}" ${reason}`, details);
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

/** One session's share of a {@link StdioServer}. */
export class StdioLink implements DownstreamLink {
  readonly server: DownstreamServer;
  readonly listener: LinkListener;
  handshake: ServerHandshake;
  readonly #host: StdioServer;

  constructor(host: StdioServer, listener: LinkListener, handshake: ServerHandshake) {
    this.server = host.server;
    this.listener = listener;
    this.handshake = handshake;
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

  async close(): Promise<void> {
    this.#host.detach(this);
  }
}
