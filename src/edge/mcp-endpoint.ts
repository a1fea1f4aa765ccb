import type { Admission } from '../admission/admission.ts';
import type { Authenticate } from '../auth/authenticator.ts';
import type { Principal } from '../auth/principal.ts';
import { type Message, parseBody, type RequestMessage, resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { isModernHeader, type Opening, openPost } from '../protocol/modern/era.ts';
import { hasBatches, hasPriming, negotiate } from '../protocol/versions.ts';
import type { ClientSink } from '../router/exchange.ts';
import type { Router } from '../router/router.ts';
import { type EventPlace, parseEventId, STANDALONE } from '../session/event-id.ts';
import type { Session } from '../session/session.ts';
import type { Sessions } from '../session/sessions.ts';
import type { Takeover } from '../session/takeover.ts';
import type { Logger, Metrics } from '../telemetry/types.ts';
import { BatchAnswer } from './batch-answer.ts';
import { Comeback } from './comeback.ts';
import type { EventStreams } from './event-stream.ts';
import { readHello } from './hello.ts';
import { HttpAnswer, writeFailure, writeJson } from './http-answer.ts';
import type { HttpRequest, HttpResponse } from './http-io.ts';
import type { KeyStreams } from './key-streams.ts';
import { NOT_ALLOWED } from './mcp-handler.ts';
import { checkGetHeaders, checkPostHeaders, sessionIdOf, versionOf } from './mcp-headers.ts';
import { type ModernEndpoint, writeModernError } from './modern-endpoint.ts';
import type { Taps } from './taps.ts';

export interface EndpointOptions {
  readonly nodeId: string;
  readonly sessions: Sessions;
  readonly takeover: Takeover;
  readonly router: Router;
  /** Takes what is not of the legacy era. */
  readonly modern: ModernEndpoint;
  readonly streams: EventStreams;
  readonly keyStreams: KeyStreams;
  readonly admission: Admission;
  readonly taps: Taps;
  readonly logger: Logger;
  readonly metrics: Pick<Metrics, 'replayed'>;
  readonly authenticate: Authenticate;
  readonly maxBodyBytes: number;
  readonly maxJsonDepth: number;
  /** Sessions end with this node: there is no other. */
  readonly isAlone: boolean;
  /** This node is about to stop; the second, once nobody new can reach it. */
  readonly isDraining: () => boolean;
  readonly isLeaving: () => boolean;
}

/** Streamable HTTP, where it is the same in both eras, and as the legacy one has it: POST, GET and DELETE on one path. What is thrown is about the HTTP request as a whole. */
export class McpEndpoint {
  readonly #options: EndpointOptions;

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  post(request: HttpRequest, response: HttpResponse): void | Promise<void> {
    const principal = this.#options.authenticate(request);
    if (!(principal instanceof Promise)) return this.#read(request, response, principal);
    return principal.then((found) => this.#read(request, response, found));
  }

  #read(request: HttpRequest, response: HttpResponse, principal: Principal): void | Promise<void> {
    checkPostHeaders(request.headers);
    const text = request.text(this.#options.maxBodyBytes);
    if (typeof text === 'string') return this.#posted(request, response, principal, text);
    return text.then((whole) => this.#posted(request, response, principal, whole));
  }

  /** At once where nothing has to be waited for: a call on a session that is known here. */
  #posted(
    request: HttpRequest,
    response: HttpResponse,
    principal: Principal,
    text: string,
  ): void | Promise<void> {
    const body = parseBody(text, this.#options.maxJsonDepth);
    let opening: Opening;
    try {
      opening = openPost(request.headers, body);
    } catch (thrown) {
      const id = !Array.isArray(body) && body.kind === 'request' ? body.id : null;
      return writeModernError(response, this.known(thrown), id);
    }
    if (opening.era === 'modern') return this.#options.modern.post(request, response, principal, opening);
    if (Array.isArray(body)) return this.#batch(request, response, principal, body);
    if (body.kind === 'request' && body.method === 'initialize')
      return this.#initialize(response, principal, body);
    const session = this.#session(request, principal);
    if (!(session instanceof Promise)) return this.#message(session, body, request, response);
    return session.then((found) => this.#message(found, body, request, response));
  }

  #message(
    session: Session,
    message: Message,
    { headers }: HttpRequest,
    response: HttpResponse,
  ): void | Promise<void> {
    if (message.kind === 'request') {
      const { streams, router } = this.#options;
      const answer = new HttpAnswer(response, streams, session, message.id);
      return router.request(session, message, this.#tapped(session, message, answer), headers);
    }
    const taken = this.#take(session, message);
    if (taken === undefined) response.writeHead(202).end();
    return taken?.then(() => {
      response.writeHead(202).end();
    });
  }

  async get(request: HttpRequest, response: HttpResponse): Promise<void> {
    const principal = await this.#options.authenticate(request);
    legacyOnly(request);
    checkGetHeaders(request.headers);
    const session = await this.#session(request, principal);
    const { streams, router, admission, isLeaving } = this.#options;
    if (isLeaving()) return streams.turnAway(response);
    const primed = hasPriming(session.hello.protocolVersion);
    openStream(admission, principal, response);
    this.#options.keyStreams.hold(principal, response);
    response.on('close', () => {
      session.lastUsed = Date.now();
    });
    const last = lastEvent(request.headers['last-event-id']);
    const isStandalone = last === undefined || last.streamId === STANDALONE;
    if (last !== undefined) this.#options.metrics.replayed(isStandalone ? 'standalone' : 'request');
    if (!isStandalone) {
      return new Comeback(this.#options, response, session, last).start();
    }
    await streams.connectStandalone(response, session.stream, last, primed);
    router.listen(session);
  }

  async delete(request: HttpRequest, response: HttpResponse): Promise<void> {
    const principal = await this.#options.authenticate(request);
    legacyOnly(request);
    await this.#options.sessions.end(await this.#session(request, principal));
    response.writeHead(204).end();
  }

  /** Anything thrown as an error for the wire; what nobody expected is logged. */
  known(thrown: unknown): GatewayError {
    const error = GatewayError.from(thrown);
    if (error.code === Code.Internal)
      this.#options.logger.error('a request failed at the edge', { err: thrown });
    return error;
  }

  async #initialize(response: HttpResponse, principal: Principal, message: RequestMessage): Promise<void> {
    const { admission } = this.#options;
    const load = admission.loadOf(principal);
    const refusal = admission.enter(load, message.method);
    if (refusal !== undefined) {
      const fail = (error: GatewayError) => {
        if (!response.destroyed) writeFailure(response, message.id, error);
      };
      return admission.refusals.tell({ fail }, refusal);
    }
    try {
      await this.#open(response, principal, message);
    } finally {
      admission.leave(load);
    }
  }

  async #open(response: HttpResponse, principal: Principal, message: RequestMessage): Promise<void> {
    if (this.#options.isAlone && this.#options.isDraining())
      throw new GatewayError(Code.Unavailable, 'The gateway is shutting down', { retryAfter: 1 });
    let session: Session;
    try {
      session = await this.#options.sessions.open(principal, readHello(message, negotiate));
    } catch (thrown) {
      const error = this.known(thrown);
      // Nobody can be served now: that is about the HTTP request, and a balancer or client may try again.
      if (error.code === Code.Unavailable) throw error;
      return writeFailure(response, message.id, error);
    }
    try {
      const result = await this.#options.router.initialize(session);
      writeJson(response, 200, resultText(message.id, result), { 'mcp-session-id': session.id });
    } catch (thrown) {
      await this.#options.sessions.end(session);
      writeFailure(response, message.id, this.known(thrown));
    }
  }

  #session(request: HttpRequest, principal: Principal): Session | Promise<Session> {
    const id = sessionIdOf(request.headers);
    versionOf(request.headers);
    return this.#options.sessions.find(principal, id);
  }

  async #batch(
    request: HttpRequest,
    response: HttpResponse,
    principal: Principal,
    messages: readonly Message[],
  ): Promise<void> {
    const session = await this.#session(request, principal);
    if (!hasBatches(session.hello.protocolVersion)) {
      throw new GatewayError(
        Code.InvalidRequest,
        `Invalid Request: version ${session.hello.protocolVersion} has no batches`,
      );
    }
    const requests = messages.filter((message) => message.kind === 'request');
    if (requests.some((message) => message.method === 'initialize')) {
      throw new GatewayError(Code.InvalidRequest, 'Invalid Request: initialize must not be part of a batch');
    }
    for (const message of messages) if (message.kind !== 'request') await this.#take(session, message);
    if (requests.length === 0) {
      response.writeHead(202).end();
      return;
    }
    const answers = new BatchAnswer(response, this.#options.streams, requests.length);
    const { headers } = request;
    const { router } = this.#options;
    for (const message of requests) {
      const answer = this.#tapped(session, message, answers.part(message.id));
      router.request(session, message, answer, headers);
    }
  }

  /** What is recorded or logged passes by there; for most gateways, nothing ever. */
  #tapped(session: Session, message: RequestMessage, answer: ClientSink): ClientSink {
    const { taps } = this.#options;
    return taps.isOn ? taps.over(session.principal, message, answer, session.mark) : answer;
  }

  #take(session: Session, message: Exclude<Message, RequestMessage>): void | Promise<void> {
    if (message.kind === 'response') return this.#options.router.response(session, message);
    this.#options.router.notification(session, message);
  }
}

/** Counts a stream until its connection ends. Throws TooManyRequests where the principal has too many. */
export function openStream(admission: Admission, principal: Principal, response: HttpResponse): void {
  if (response.destroyed) return;
  const load = admission.loadOf(principal);
  const refusal = admission.openStream(load);
  if (refusal !== undefined) throw refusal;
  response.on('close', () => admission.closeStream(load));
}

/**
 * What a client that comes back says it saw last; undefined for a new one, and for an id that isn't ours. Throws
 * InvalidRequest for one that was ours before somebody changed it: no other stream will do.
 */
function lastEvent(header: string | string[] | undefined): EventPlace | undefined {
  if (typeof header !== 'string') return undefined;
  const place = parseEventId(header);
  if (place === undefined && /^r\d/.test(header)) {
    throw new GatewayError(
      Code.InvalidRequest,
      'Invalid Request: Last-Event-ID is not an id of this session',
    );
  }
  return place;
}

/** The modern era has neither a stream nor a session to end (2026-07-28, transports: POST alone). */
function legacyOnly({ headers }: HttpRequest): void {
  if (isModernHeader(headers)) throw NOT_ALLOWED;
}
