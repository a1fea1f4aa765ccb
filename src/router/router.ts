import type { PrincipalLoad } from '../admission/load.ts';
import type { StoredLink } from '../coordination/session-store.ts';
import type { DownstreamLink } from '../downstream/port.ts';
import {
  type Id,
  isId,
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
import type { ClientStream } from '../session/client-stream.ts';
import type { EventPlace } from '../session/event-id.ts';
import type { Session } from '../session/session.ts';
import { inServerTerms } from './client-terms.ts';
import { Conversation } from './conversation.ts';
import type { Again, ClientSink, RouterOptions } from './exchange.ts';
import { offer } from './initialize.ts';
import { METHODS } from './methods.ts';
import { Recovery } from './recovery.ts';
import { runHandler } from './run-handler.ts';
import { SessionExchange } from './session-exchange.ts';

/** A session with a server that was of no use for this long is closed; the client's own session stays. */
const LINK_IDLE_MS = 600_000;

/** From a session's messages to the servers they are for, and back. */
export class Router {
  readonly #options: RouterOptions;
  readonly #conversations = new Map<Session, Conversation>();

  readonly #recovery: Recovery;
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: RouterOptions) {
    this.#options = options;
    this.#recovery = new Recovery({
      router: options,
      linkTo: (conversation, serverId) => this.#linkTo(conversation, serverId),
      run: (session, message, sink, again) => {
        const load = options.admission.loadOf(session.principal);
        options.admission.take(load);
        this.#request(session, message, sink, again, load);
      },
    });
    this.#sweeper = setInterval(() => this.#sweep(), LINK_IDLE_MS / 10);
    this.#sweeper.unref();
  }

  /** The result of `initialize` as JSON text. Servers that are not known yet get the time of a list to say what they can do. */
  async initialize(session: Session): Promise<string> {
    // No conversation yet: many a session is opened and never used.
    const { hello, principal } = session;
    const view = this.#options.catalogs.viewFor(principal, hello.capabilities);
    return offer(await view.snapshot(), hello.protocolVersion, this.#options.identity);
  }

  /** Answers through the sink, always: what is thrown on the way becomes its failure. `headers`: the request came with them. */
  request(
    session: Session,
    message: RequestMessage,
    sink: ClientSink,
    headers?: Readonly<Record<string, unknown>>,
  ): void {
    const { admission } = this.#options;
    const load = admission.loadOf(session.principal);
    const refusal = admission.enter(load, message.method);
    if (refusal !== undefined) return admission.refusals.tell(sink, refusal);
    this.#request(session, message, sink, undefined, load, headers);
  }

  /** Goes on with a request whose stream is lost; see {@link Recovery.recover}. */
  recover(
    session: Session,
    place: EventPlace,
    answer: (stream: ClientStream, id: Id | null) => ClientSink,
  ): Promise<string> {
    return this.#recovery.recover(this.#conversation(session), place, answer);
  }

  /** `load`: where it has been counted. */
  #request(
    session: Session,
    message: RequestMessage,
    sink: ClientSink,
    again: Again | undefined,
    load: PrincipalLoad,
    headers?: Readonly<Record<string, unknown>>,
  ): void {
    const conversation = this.#conversation(session);
    const exchange = new SessionExchange(conversation, message, sink, this.#options, again);
    exchange.load = load;
    exchange.join(headers);
    runHandler(METHODS.get(message.method), exchange);
  }

  notification(session: Session, message: NotificationMessage): void {
    switch (message.method) {
      case 'notifications/cancelled':
        return this.#cancelled(session, message);
      case 'notifications/roots/list_changed':
        return this.#conversation(session).rootsChanged();
      case 'notifications/progress':
        return this.#progress(this.#conversation(session), message);
      case 'notifications/tasks/status': {
        const taskId = message.params === undefined ? undefined : own(message.params, 'taskId');
        return this.#conversation(session).taskHome(taskId)?.send(message);
      }
      default:
        // notifications/initialized and what is not known here: nobody waits for anything.
        return;
    }
  }

  /** The answer to a server's request. Throws InvalidRequest where this session has nothing to do with the server it names. */
  async response(session: Session, message: ResponseMessage): Promise<void> {
    const home = decodeHomeId(message.id);
    const conversation = this.#conversation(session);
    const link = home === undefined ? undefined : await this.#linkTo(conversation, home.serverId);
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
    link.send(parseMessage(inServerTerms(home.serverId, text), this.#options.maxJsonDepth));
  }

  /** The client has opened a stream on this node. */
  listen(session: Session): void {
    this.#conversation(session)
      .listen()
      .catch((error) =>
        this.#options.logger.warn('servers could not be listened to', { reason: String(error) }),
      );
  }

  /** Another node talks to one more server for this session: where the client's stream is here, that server is listened to here. */
  linked(session: Session): void {
    if (session.isListening) this.listen(session);
  }

  /** The client has told another node what it wants of servers. */
  async wantsChanged(session: Session): Promise<void> {
    // Also where nothing was asked here yet: what this node knows is what the store had when the session came.
    await this.#conversation(session).wantsChanged();
  }

  /** The client's stream is on another node now. */
  unlisten(session: Session): void {
    this.#conversations.get(session)?.unlisten();
  }

  /** The session has left this node; `links` are to be ended with it, where it ended here. */
  gone(session: Session, links: readonly StoredLink[] | undefined): void {
    const known = this.#conversations.get(session);
    const conversation =
      known ?? (links !== undefined && links.length > 0 ? this.#conversation(session) : undefined);
    this.#conversations.delete(session);
    if (conversation === undefined) return;
    if (links === undefined || links.length === 0) return conversation.close(links);
    // A server's address is needed to end what other nodes had opened there.
    conversation.view.snapshot().then(
      () => conversation.close(links),
      () => conversation.close(links),
    );
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

  #cancelled(session: Session, message: NotificationMessage): void {
    const id = message.params === undefined ? undefined : own(message.params, 'requestId');
    if (!isId(id)) return;
    const key = JSON.stringify(id);
    const request = session.inFlight.get(key);
    if (request === undefined) this.#options.cancelElsewhere(session, key);
    else request.cancel();
  }

  /** The token says which server waits for the client's progress. */
  #progress(conversation: Conversation, message: NotificationMessage): void {
    const token = message.params === undefined ? undefined : own(message.params, 'progressToken');
    const home = isId(token) ? decodeHomeId(token) : undefined;
    if (home === undefined) return;
    const text = replaceAt(message, ['params', 'progressToken'], JSON.stringify(home.id));
    if (text === undefined) return;
    this.#linkTo(conversation, home.serverId)
      .then((link) => link?.send(parseMessage(text, this.#options.maxJsonDepth)))
      .catch(() => {
        // Progress that can't be delivered is missed by nobody but the server that is away.
      });
  }

  /** The session's link to a server, also where another node has opened it. Undefined where there is none. */
  async #linkTo(conversation: Conversation, serverId: string): Promise<DownstreamLink | undefined> {
    const open = conversation.links.peek(serverId);
    if (open !== undefined) return open;
    if (!conversation.links.has(serverId)) await conversation.links.refresh();
    if (!conversation.links.has(serverId)) return undefined;
    const { sources } = await conversation.view.snapshot();
    const server = sources.find((source) => source.server.id === serverId)?.server;
    return server === undefined ? undefined : conversation.links.get(server);
  }

  #conversation(session: Session): Conversation {
    const known = this.#conversations.get(session);
    if (known !== undefined) return known;
    const { catalogs, store, connector, logger, ownDeadlines, tellLinked, tellWants } = this.#options;
    const view = catalogs.viewFor(session.principal, session.hello.capabilities);
    const conversation = new Conversation({
      session,
      view,
      store,
      connector,
      logger,
      ownDeadlines,
      tellLinked,
      tellWants,
    });
    this.#conversations.set(session, conversation);
    return conversation;
  }
}
