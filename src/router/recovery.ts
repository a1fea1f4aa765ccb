import type { NotedCall } from '../coordination/call-journal.ts';
import type { DownstreamLink } from '../downstream/port.ts';
import { type Id, parseMessage, type RequestMessage } from '../protocol/envelope.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { ClientStream } from '../session/client-stream.ts';
import { type EventPlace, parseRequestStreamId } from '../session/event-id.ts';
import type { Session } from '../session/session.ts';
import type { Conversation } from './conversation.ts';
import type { Again, ClientSink, RouterOptions } from './exchange.ts';
import { NODE_GONE } from './node-gone.ts';
import { ResumedCall } from './resumed-call.ts';
import { decodeStreamPosition, encodeStreamPosition, type StreamPosition } from './stream-position.ts';

/** Who goes on with a stream is kept for so long after the longest that a call may take, in milliseconds. */
const MARGIN_MS = 60_000;

export interface RecoveryOptions {
  readonly router: RouterOptions;
  /** The session's open link to a server, or one that another node has opened; undefined where it has none. */
  readonly linkTo: (conversation: Conversation, serverId: string) => Promise<DownstreamLink | undefined>;
  /** Runs a request as if the client had sent it. */
  readonly run: (session: Session, message: RequestMessage, sink: ClientSink, again: Again) => void;
}

interface Left {
  readonly conversation: Conversation;
  readonly stream: ClientStream;
  readonly id: Id;
  readonly sink: ClientSink;
  readonly position: StreamPosition | undefined;
  readonly call: NotedCall | undefined;
}

/**
 * What becomes of a call whose node is gone, once its client comes back: the rest of its answer, from a server that
 * resumes it; else the answer to a second run, where that is safe; else one error. One node does that, for all who come.
 */
export class Recovery {
  readonly #options: RecoveryOptions;

  constructor(options: RecoveryOptions) {
    this.#options = options;
  }

  /**
   * Resolves with the id of the stream that goes on in the place of one that is lost: of this node, which then has begun
   * to go on, or of another that was faster. Rejects with Unavailable while the store is away.
   */
  async recover(
    conversation: Conversation,
    place: EventPlace,
    answer: (stream: ClientStream, id: Id | null) => ClientSink,
  ): Promise<string> {
    const { session } = conversation;
    const { journal, deadlines } = this.#options.router;
    const id = parseRequestStreamId(place.streamId)?.requestId ?? null;
    const position = place.position === undefined ? undefined : decodeStreamPosition(session, place.position);
    const isResumable = position?.at !== undefined && (await isLinked(conversation, position.serverId));
    const stream = session.openRequestStream(id, {
      after: place.sequence,
      position: isResumable ? place.position : withoutPlace(session, position),
    });
    try {
      const ttlMs = deadlines.totalMs + MARGIN_MS;
      const taken =
        id === null
          ? undefined
          : await journal.takeOver(session.id, place.streamId, stream.id, isResumable, ttlMs);
      if (taken !== undefined && taken.successor !== stream.id) {
        stream.end();
        return taken.successor;
      }
      const sink = answer(stream, id);
      if (id === null || taken === undefined) sink.fail(NODE_GONE);
      else this.#goOn({ conversation, stream, id, sink, position, call: taken.call }, isResumable);
      return stream.id;
    } catch (error) {
      stream.end();
      throw error;
    }
  }

  #goOn(left: Left, isResumable: boolean): void {
    const { conversation, position, call } = left;
    // What was run again was ended before, at its server.
    if (!isResumable || position?.at === undefined || call?.isSecondRun)
      return this.#runAgain(left, undefined);
    const { at, serverId } = position;
    this.#options.linkTo(conversation, serverId).then(
      (link) => (link === undefined ? this.#runAgain(left, undefined) : this.#resume(left, link, at)),
      (error) => this.#runAgain(left, GatewayError.from(error)),
    );
  }

  #resume(left: Left, link: DownstreamLink, at: string): void {
    const { conversation, stream, id, sink, position, call } = left;
    const { router } = this.#options;
    const { server } = link;
    router.logger.info('the answer to a call of a node that is gone is resumed', { server: server.name });
    new ResumedCall({
      conversation,
      server,
      link,
      id,
      at,
      progress: position?.progress,
      client: sink,
      options: router,
      request: requestOf(call, router.maxJsonDepth),
      onRefused: (error) => this.#runAgain(left, error),
      onEnd: () => {
        if (call !== undefined) router.running?.over(conversation.session.id, stream.id);
      },
    }).run();
  }

  /** `refusal`: why the answer could not be resumed, where that was tried. */
  #runAgain(left: Left, refusal: GatewayError | undefined): void {
    const { conversation, stream, sink, position, call } = left;
    const { logger, maxJsonDepth } = this.#options.router;
    const about = refusal === undefined ? {} : { reason: refusal.message };
    if (call === undefined) {
      logger.warn('a call of a node that is gone is lost', about);
      return sink.fail(NODE_GONE);
    }
    const message = parseMessage(call.request, maxJsonDepth);
    if (message.kind !== 'request') return sink.fail(NODE_GONE);
    logger.info('a call of a node that is gone is run again', { method: message.method, ...about });
    this.#options.run(conversation.session, message, sink, {
      serverId: call.serverId,
      streamId: stream.id,
      progress: position?.progress,
    });
  }
}

/** What was asked; undefined where nobody has noted it. */
function requestOf(call: NotedCall | undefined, maxJsonDepth: number): RequestMessage | undefined {
  const message = call && parseMessage(call.request, maxJsonDepth);
  return message?.kind === 'request' ? message : undefined;
}

/** For a call that can only be run again. */
function withoutPlace(session: Session, position: StreamPosition | undefined): string | undefined {
  if (position?.progress === undefined) return undefined;
  return encodeStreamPosition(session, { ...position, at: undefined });
}

/** What a client names is used where this session has a link to it, and not otherwise. */
async function isLinked({ links }: Conversation, serverId: string): Promise<boolean> {
  // Another node may have opened one since, also in place of one that the server forgot.
  await links.refresh();
  return links.has(serverId);
}
