import { randomBytes } from 'node:crypto';
import { isSamePrincipal, type Principal } from '../auth/principal.ts';
import type { AnswerSink } from '../downstream/port.ts';
import { type Id, type Message, parseBody, type RequestMessage, resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { sseEventText } from '../protocol/sse.ts';
import { negotiate, SSE_VERSION } from '../protocol/versions.ts';
import type { StreamWriter } from '../session/client-stream.ts';
import type { Session } from '../session/session.ts';
import { errorResponse } from './error-response.ts';
import { readHello } from './hello.ts';
import type { HttpRequest, HttpResponse } from './http-io.ts';
import { type EndpointOptions, openStream } from './mcp-endpoint.ts';

/** One client of the older transport: a stream, and the session that it has once it has initialized. */
interface Connection {
  readonly principal: Principal;
  readonly response: HttpResponse;
  session: Session | undefined;
  /** Requests that are not answered yet. */
  pending: number;
  /** To be closed with the last answer: there is no other way for it to reach the client. */
  isEnding: boolean;
}

/** The older HTTP+SSE transport (2024-11-05) for clients that know no other: `GET /sse`, then `POST /messages`. */
export class SseEndpoint {
  readonly #options: EndpointOptions;
  readonly #connections = new Map<string, Connection>();

  constructor(options: EndpointOptions) {
    this.#options = options;
  }

  /** Opens the stream and names the address to post to. */
  async get(request: HttpRequest, response: HttpResponse): Promise<void> {
    const principal = await this.#options.authenticate(request);
    if (response.destroyed) return;
    if (this.#options.isDraining()) {
      throw new GatewayError(Code.Unavailable, 'The gateway is shutting down', { retryAfter: 1 });
    }
    openStream(this.#options.admission, principal, response);
    this.#options.keyStreams.hold(principal, response);
    const id = randomBytes(24).toString('base64url');
    const connection: Connection = { principal, response, session: undefined, pending: 0, isEnding: false };
    this.#connections.set(id, connection);
    response.on('close', () => {
      this.#connections.delete(id);
      // Nothing of this transport can be resumed: the session ends with its stream.
      // Where the store is away, its own time-to-live ends it there.
      if (connection.session !== undefined) this.#options.sessions.end(connection.session).catch(() => {});
    });
    this.#options.streams.start(response);
    response.write(`event: endpoint\ndata: /messages?sessionId=${id}\n\n`);
  }

  /** Takes one message, or a batch; what comes of it goes out on the stream. */
  async post(request: HttpRequest, response: HttpResponse, id: string | undefined): Promise<void> {
    const principal = await this.#options.authenticate(request);
    const connection = id === undefined ? undefined : this.#connections.get(id);
    // As with other sessions: what it offers is what its principal could use then.
    if (connection === undefined || !isSamePrincipal(connection.principal, principal)) {
      throw new GatewayError(Code.SessionNotFound, 'Session not found; open /sse first');
    }
    const body = parseBody(await request.text(this.#options.maxBodyBytes), this.#options.maxJsonDepth);
    response.writeHead(202).end();
    for (const message of Array.isArray(body) ? body : [body]) await this.#take(connection, message);
  }

  async #take(connection: Connection, message: Message): Promise<void> {
    const answer = message.kind === 'request' ? new SseAnswer(connection, message.id) : undefined;
    try {
      await this.#dispatch(connection, message, answer);
    } catch (thrown) {
      // The POST has been accepted: an answer that nobody waits for has nowhere to be refused.
      answer?.fail(GatewayError.from(thrown));
    }
  }

  async #dispatch(connection: Connection, message: Message, answer: SseAnswer | undefined): Promise<void> {
    const { router, taps } = this.#options;
    if (message.kind === 'request' && message.method === 'initialize') {
      return this.#initialize(connection, message, answer);
    }
    const { session } = connection;
    if (session === undefined) throw new GatewayError(Code.SessionRequired, 'initialize first');
    session.lastUsed = Date.now();
    if (message.kind === 'response') return router.response(session, message);
    if (message.kind === 'notification') return router.notification(session, message);
    if (answer === undefined) return;
    const sink = taps.isOn ? taps.over(session.principal, message, answer, session.mark) : answer;
    router.request(session, message, sink);
  }

  async #initialize(
    connection: Connection,
    message: RequestMessage,
    answer: SseAnswer | undefined,
  ): Promise<void> {
    if (connection.session !== undefined) {
      throw new GatewayError(Code.InvalidRequest, 'Invalid Request: initialized already');
    }
    const hello = readHello(message, (offered) => (offered === SSE_VERSION ? offered : negotiate(offered)));
    const session = await this.#options.sessions.open(connection.principal, hello);
    connection.session = session;
    if (connection.response.destroyed) return this.#options.sessions.end(session);
    const writer = new SseStreamWriter(connection);
    await session.stream.attach(writer, undefined, false);
    this.#options.router.initialize(session).then(
      (result) => answer?.answer(resultText(message.id, result)),
      (error) => answer?.fail(GatewayError.from(error)),
    );
    this.#options.router.listen(session);
  }
}

/** Writes one message as the older transport has it: with an event name, without an id. */
function send(response: HttpResponse, text: string | Buffer): boolean {
  return response.destroyed || response.write(`event: message\n${sseEventText(text.toString())}`);
}

class SseStreamWriter implements StreamWriter {
  readonly #connection: Connection;
  readonly #response: HttpResponse;
  #pieces: Buffer[] = [];

  constructor(connection: Connection) {
    this.#connection = connection;
    this.#response = connection.response;
  }

  write(data: string): boolean {
    return send(this.#response, data);
  }

  begin(): void {}

  part(bytes: Buffer): boolean {
    this.#pieces.push(bytes);
    return true;
  }

  finish(): void {
    const pieces = this.#pieces;
    this.#pieces = [];
    send(this.#response, Buffer.concat(pieces));
  }

  end(): void {
    this.#connection.isEnding = true;
    endIfDone(this.#connection);
  }
}

function endIfDone({ isEnding, pending, response }: Connection): void {
  if (isEnding && pending === 0) response.end();
}

class SseAnswer implements AnswerSink {
  drained: (() => void) | undefined;
  readonly #connection: Connection;
  readonly #response: HttpResponse;
  readonly #id: Id;
  readonly #resume = () => this.drained?.();
  #isOver = false;
  #pieces: Buffer[] = [];

  constructor(connection: Connection, id: Id) {
    const { response } = connection;
    this.#connection = connection;
    this.#response = response;
    this.#id = id;
    connection.pending++;
    response.on('drain', this.#resume);
    response.on('close', this.#resume);
  }

  openStream(): void {}

  message(text: string): boolean {
    return send(this.#response, text);
  }

  answer(body: string | Buffer): void {
    send(this.#response, body);
    this.#over();
  }

  begin(): void {}

  data(chunk: Buffer): boolean {
    this.#pieces.push(chunk);
    return true;
  }

  end(): void {
    this.answer(Buffer.concat(this.#pieces));
  }

  fail(error: GatewayError): void {
    if (error.code !== Code.Cancelled) send(this.#response, errorResponse(error, this.#id));
    this.#over();
  }

  /** The stream outlives the request: what waits for it must not pile up there. */
  #over(): void {
    this.#response.off('drain', this.#resume);
    this.#response.off('close', this.#resume);
    if (this.#isOver) return;
    this.#isOver = true;
    this.#connection.pending--;
    endIfDone(this.#connection);
  }
}
