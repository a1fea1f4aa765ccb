import type { Message, RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { replaced } from './link-messages.ts';
import type { Follower, LocatedProcess } from './located-process.ts';
import { Outgoing } from './outgoing.ts';
import type {
  AnswerSink,
  CancelRequest,
  Deadlines,
  DownstreamLink,
  DownstreamServer,
  OpenOptions,
  PortableLink,
  ServerHandshake,
} from './port.ts';
import { type Attachment, Displaced, type Ending, type Place, type Sharer } from './process-place.ts';

interface Placed {
  readonly place: Place;
  readonly attachment: Attachment;
}

/**
 * A session with a server that is a process, on whichever node that runs. When the process goes to another node the link
 * follows: what was not sent yet waits until it is there.
 */
export class ProcessLink implements DownstreamLink, Follower {
  readonly server: DownstreamServer;
  handshake: ServerHandshake;
  readonly #process: LocatedProcess;
  readonly #options: OpenOptions;
  #now: Placed | undefined;
  /** Where the process was, while what runs there may still be answered. */
  #before: Placed | undefined;
  #waiting: Outgoing[] = [];
  #attaching: Promise<void> | undefined;
  #isOpen = false;
  #isListening = false;
  #fault: GatewayError | undefined;

  private constructor(process: LocatedProcess, options: OpenOptions) {
    this.server = process.server;
    this.#process = process;
    this.#options = options;
    this.handshake = options.resume?.handshake ?? NO_HANDSHAKE;
  }

  static async open(process: LocatedProcess, options: OpenOptions): Promise<ProcessLink> {
    const link = new ProcessLink(process, options);
    process.follow(link);
    try {
      await link.#attach();
    } catch (error) {
      await link.close();
      throw error;
    }
    link.#isOpen = true;
    return link;
  }

  get portable(): PortableLink {
    return { handshake: this.handshake };
  }

  request(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    if (this.#now !== undefined) return this.#now.attachment.request(request, sink, deadlines);
    const outgoing = new Outgoing(request, sink, deadlines);
    this.#wait(outgoing);
    return outgoing.cancel;
  }

  /** To where the server asked: an answer to a process that has gone must not reach the one that came after it. */
  send(message: Message): void {
    (this.#before ?? this.#now)?.attachment.send(message);
  }

  /** A process says everything on one pipe. But its next node has to know that somebody listens. */
  listen(): void {
    this.#isListening = true;
    if (this.#now === undefined) this.#ensure();
  }

  unlisten(): void {
    this.#isListening = false;
  }

  /** The process is everybody's: whoever closes lets go of it. */
  release(): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    this.shut(ENDED);
    this.#process.unfollow(this);
  }

  displaced(): void {
    if (this.#now === undefined) return;
    this.#before?.attachment.lost();
    this.#before = this.#now;
    this.#now = undefined;
  }

  found(place: Place): void {
    const before = this.#before;
    this.#before = undefined;
    if (before?.place === place) return this.#use(before);
    before?.attachment.lost();
    if (this.#isOpen && this.#isWanted) this.#ensure();
  }

  shut(error: GatewayError): void {
    if (this.#fault !== undefined) return;
    this.#fault = error;
    this.#now?.attachment.detach(error);
    this.#before?.attachment.detach(error);
    this.#now = undefined;
    this.#before = undefined;
    this.#failWaiting(error);
  }

  #wait(outgoing: Outgoing): void {
    if (outgoing.isOver) return;
    if (this.#fault !== undefined) return outgoing.fail(this.#fault);
    if (this.#now !== undefined) return this.#now.attachment.take(outgoing);
    this.#waiting.push(outgoing);
    this.#ensure();
  }

  #ensure(): void {
    this.#attaching ??= this.#attach()
      .catch((error) => this.#failWaiting(GatewayError.from(error)))
      .finally(() => {
        this.#attaching = undefined;
        // Came while the others were failing.
        if (this.#waiting.length > 0) this.#ensure();
      });
  }

  async #attach(): Promise<void> {
    while (this.#fault === undefined) {
      const place = await this.#process.find();
      if (this.#now !== undefined) return;
      // Left again, before this was told.
      if (this.#process.place !== place) continue;
      const attachment = await this.#attachAt(place);
      if (attachment === undefined) continue;
      // It turned out that it never was away.
      if (this.#now !== undefined) return attachment.detach(ENDED);
      if (this.#fault !== undefined) return attachment.detach(this.#fault);
      this.handshake = attachment.handshake;
      const placed = { place, attachment };
      if (this.#process.place === place) return this.#arrive(placed);
      // Left already, and good for answers to what is asked there only.
      if (this.#before === undefined) this.#before = placed;
      else attachment.detach(ENDED);
      if (!this.#isOpen) return;
    }
    throw this.#fault;
  }

  /** Undefined where the process is not there any more. */
  async #attachAt(place: Place): Promise<Attachment | undefined> {
    const { session, resume } = this.#options;
    const known = this.#isOpen ? undefined : resume?.handshake;
    try {
      return await place.attach({ session, known, sharer: this.#sharer(place) });
    } catch (error) {
      if (!(error instanceof Displaced)) throw error;
      this.#process.displaced(place, error.how);
      return undefined;
    }
  }

  #arrive(placed: Placed): void {
    const isNewThere = placed.attachment.isFresh && (this.#isOpen || this.#options.resume !== undefined);
    this.#use(placed);
    // What the session had told the process that was before.
    if (isNewThere) this.#options.listener.restarted();
  }

  #use(placed: Placed): void {
    this.#now = placed;
    for (const outgoing of this.#waiting.splice(0)) if (!outgoing.isOver) placed.attachment.take(outgoing);
  }

  #failWaiting(error: GatewayError): void {
    for (const outgoing of this.#waiting.splice(0)) outgoing.fail(error);
  }

  #sharer(place: Place): Sharer {
    return {
      message: (message) => this.#options.listener.message(message),
      restarted: (handshake, tell) => {
        this.handshake = handshake;
        if (tell) this.#options.listener.restarted();
      },
      moved: () => this.#process.displaced(place, 'moved'),
      ended: (why) => this.#ended(place, why),
      returned: (outgoing) => this.#wait(outgoing),
      doubted: () => this.#process.displaced(place, 'doubted'),
    };
  }

  #ended(place: Place, why: Ending): void {
    if (why !== 'forgotten') this.#process.displaced(place, 'moved');
    if (this.#now?.place === place) this.#now = undefined;
    if (this.#before?.place === place) this.#before = undefined;
    if (why === 'gone') this.shut(replaced(this.server.name));
    else if (why === 'forgotten' && this.#isWanted) this.#ensure();
  }

  /** The gateway's own links follow their process at once, since they are to hear what has changed; others when they are used. */
  get #isWanted(): boolean {
    return this.#options.session === undefined || this.#isListening || this.#waiting.length > 0;
  }
}

const ENDED = new GatewayError(Code.Cancelled, 'The session has ended');

/** Until the server has said what it is. */
const NO_HANDSHAKE: ServerHandshake = { protocolVersion: '', capabilities: {}, serverInfo: {} };
