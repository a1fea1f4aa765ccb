import type { Message, RequestMessage } from '../protocol/envelope.ts';
import type { Outgoing } from './outgoing.ts';
import type { AnswerSink, CancelRequest, Deadlines, LinkListener, ServerHandshake } from './port.ts';
import type { Attachment, AttachOptions } from './process-place.ts';
import type { StdioLink, StdioServer } from './stdio-server.ts';

export interface HostedOptions extends AttachOptions {
  /** For another node: whether answers are on their way there. Absent for one of this node. */
  readonly remote?: { readonly isBusy: boolean };
}

/**
 * One session's share of a process: the same for all nodes that the session is used on, so that an answer may come from
 * any of them, and what the server says goes to one of them.
 */
export class ProcessShare implements LinkListener {
  readonly #process: StdioServer;
  readonly #attachments = new Set<LocalAttachment>();
  readonly #onEmpty: () => void;
  #opening: Promise<StdioLink> | undefined;

  constructor(process: StdioServer, onEmpty: () => void) {
    this.#process = process;
    this.#onEmpty = onEmpty;
  }

  get attachments(): Iterable<LocalAttachment> {
    return this.#attachments;
  }

  async attach(options: HostedOptions): Promise<LocalAttachment> {
    const { session, known } = options;
    const isFresh = this.#opening === undefined;
    this.#opening ??= this.#process.attach(this, { isUnattended: session === undefined, known });
    const attachment = new LocalAttachment(this, options, isFresh);
    // At once, so that the share does not end with whoever else lets go meanwhile.
    this.#attachments.add(attachment);
    try {
      attachment.link = await this.#opening;
      return attachment;
    } catch (error) {
      this.detach(attachment);
      throw error;
    }
  }

  detach(attachment: LocalAttachment): void {
    if (!this.#attachments.delete(attachment) || this.#attachments.size > 0) return;
    this.#onEmpty();
    this.#opening?.then((link) => link.close()).catch(() => {});
  }

  message(message: Message): void {
    this.#spokesman?.options.sharer.message(message);
  }

  restarted(): void {
    const spokesman = this.#spokesman;
    for (const attachment of this.#attachments) {
      const { link, options } = attachment;
      if (link !== undefined) options.sharer.restarted(link.handshake, attachment === spokesman);
    }
  }

  /** The one that hears for the session: on this node, where there is one, since nothing is lost on that way. */
  get #spokesman(): LocalAttachment | undefined {
    let first: LocalAttachment | undefined;
    for (const attachment of this.#attachments) {
      if (attachment.link === undefined) continue;
      if (attachment.options.remote === undefined) return attachment;
      first ??= attachment;
    }
    return first;
  }
}

/** A place at a process of this node. */
export class LocalAttachment implements Attachment {
  readonly options: HostedOptions;
  readonly isFresh: boolean;
  link: StdioLink | undefined;
  readonly #share: ProcessShare;

  constructor(share: ProcessShare, options: HostedOptions, isFresh: boolean) {
    this.#share = share;
    this.options = options;
    this.isFresh = isFresh;
  }

  get handshake(): ServerHandshake {
    return this.#open.handshake;
  }

  request(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    return this.#open.request(request, sink, deadlines);
  }

  take(outgoing: Outgoing): void {
    outgoing.heldBy(this.request(outgoing.request, outgoing.sink, outgoing.deadlines));
  }

  send(message: Message): void {
    this.#open.send(message);
  }

  detach(): void {
    this.#share.detach(this);
  }

  /** The process fails what it has under way as it ends. */
  lost(): void {}

  get #open(): StdioLink {
    if (this.link === undefined) throw new TypeError('not attached yet');
    return this.link;
  }
}
