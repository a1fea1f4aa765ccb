import type { Snapshot } from '../catalog/snapshot.ts';
import type { AnswerSink } from '../downstream/port.ts';
import {
  isObject,
  type NotificationMessage,
  own,
  parseMessage,
  type RequestMessage,
  type ResponseMessage,
  replaceAt,
} from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { decodeHomeId } from '../protocol/home-id.ts';
import type { Session } from '../session/session.ts';
import { Conversation } from './conversation.ts';
import { Exchange, type RouterOptions } from './exchange.ts';
import { offer } from './initialize.ts';
import { METHODS } from './methods.ts';

/** A session with a server that was of no use for this long is closed; the client's own session stays. */
const LINK_IDLE_MS = 600_000;

/** From a session's messages to the servers they are for, and back. */
export class Router {
  readonly #options: RouterOptions;
  readonly #conversations = new Map<Session, Conversation>();

  readonly #sweeper: NodeJS.Timeout;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), LINK_IDLE_MS / 10);
    this.#sweeper.unref();
  }

  /** The result of `initialize` as JSON text. Servers that are not known yet get the time of a list to say what they can do. */
  async initialize(session: Session): Promise<string> {
    const conversation = this.#conversation(session);
    return offer(await conversation.view.snapshot(), session.hello.protocolVersion, this.#options.identity);
  }

  /** Answers through the sink, always: what is thrown on the way becomes its failure. */
  request(session: Session, message: RequestMessage, sink: AnswerSink): void {
    const exchange = new Exchange(this.#conversation(session), message, sink, this.#options);
    const handler = METHODS.get(message.method);
    if (handler === undefined) {
      return exchange.fail(
        new GatewayError(Code.MethodNotFound, `Method not found: ${message.method.slice(0, 100)}`),
      );
    }
    const { current } = exchange.conversation.view;
    if (current !== undefined) return this.#run(handler, exchange, current);
    exchange.conversation.view.snapshot().then(
      (snapshot) => this.#run(handler, exchange, snapshot),
      (error) => exchange.fail(this.#known(error)),
    );
  }

  notification(session: Session, message: NotificationMessage): void {
    const conversation = this.#conversation(session);
    switch (message.method) {
      case 'notifications/cancelled':
        return this.#cancelled(session, message);
      case 'notifications/roots/list_changed':
        return conversation.rootsChanged();
      case 'notifications/progress': {
        const token = message.params === undefined ? undefined : own(message.params, 'progressToken');
        return conversation.progressHome(token)?.send(message);
      }
      case 'notifications/tasks/status': {
        const taskId = message.params === undefined ? undefined : own(message.params, 'taskId');
        return conversation.taskHome(taskId)?.send(message);
      }
      default:
        // notifications/initialized and what is not known here: nobody waits for anything.
        return;
    }
  }

  /** The answer to a server's request. Throws InvalidRequest where this session has nothing to do with the server it names. */
  response(session: Session, message: ResponseMessage): void {
    const home = decodeHomeId(message.id);
    const conversation = this.#conversation(session);
    const link = home === undefined ? undefined : conversation.openLink(home.serverId);
    const text = home === undefined ? undefined : replaceAt(message, ['id'], JSON.stringify(home.id));
    if (home === undefined || link === undefined || text === undefined) {
      throw new GatewayError(
        Code.InvalidRequest,
        'Invalid Request: no request with this id is waiting for an answer',
      );
    }
    const task = isObject(message.result) ? own(message.result, 'task') : undefined;
    const taskId = isObject(task) ? own(task, 'taskId') : undefined;
    if (typeof taskId === 'string') conversation.taskMade(taskId, home.serverId);
    link.send(parseMessage(conversation.toServer(home.serverId, text), this.#options.maxJsonDepth));
  }

  /** The client has opened a stream. */
  listen(session: Session): void {
    this.#conversation(session).listen();
  }

  /** The session has ended. */
  end(session: Session): void {
    this.#conversations.get(session)?.close();
    this.#conversations.delete(session);
  }

  /** A server has been changed or removed: what was open towards it is closed. */
  dropServer(serverId: string): void {
    for (const conversation of this.#conversations.values()) conversation.drop(serverId);
    this.#options.breakers.drop(serverId);
  }

  close(): void {
    clearInterval(this.#sweeper);
  }

  #sweep(): void {
    const since = Date.now() - LINK_IDLE_MS;
    for (const conversation of this.#conversations.values()) conversation.closeIdle(since);
  }

  #run(
    handler: (exchange: Exchange, snapshot: Snapshot) => void | Promise<void>,
    exchange: Exchange,
    snapshot: Snapshot,
  ): void {
    try {
      handler(exchange, snapshot)?.catch((error) => exchange.fail(this.#known(error)));
    } catch (error) {
      exchange.fail(this.#known(error));
    }
  }

  #known(thrown: unknown): GatewayError {
    const error = GatewayError.from(thrown);
    if (error.code === Code.Internal)
      this.#options.logger.error('a request failed inside the gateway', { err: thrown });
    return error;
  }

  #cancelled(session: Session, message: NotificationMessage): void {
    const id = message.params === undefined ? undefined : own(message.params, 'requestId');
    session.inFlight.get(JSON.stringify(id))?.cancel();
  }

  #conversation(session: Session): Conversation {
    const known = this.#conversations.get(session);
    if (known !== undefined) return known;
    const { catalogs, connector, logger, ownDeadlines } = this.#options;
    const view = catalogs.view(session.principal, session.hello.capabilities);
    const conversation = new Conversation({ session, view, connector, logger, ownDeadlines });
    this.#conversations.set(session, conversation);
    return conversation;
  }
}
