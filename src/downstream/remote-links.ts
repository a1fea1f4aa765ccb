import { randomBytes } from 'node:crypto';
import type { Bus, BusMessage } from '../coordination/bus.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { insist } from './insist.ts';
import { errorOf, LINK, nowhere } from './link-messages.ts';
import type { DownstreamServer } from './port.ts';
import {
  type Attachment,
  type AttachOptions,
  Displaced,
  type Displacement,
  type Place,
} from './process-place.ts';
import { RemoteAttachment } from './remote-attachment.ts';

/** Of a process, and who is to use it. */
export interface ProcessName {
  readonly server: DownstreamServer;
  readonly clientCapabilities: Readonly<Record<string, unknown>>;
}

const FROM_OWNER = [
  LINK.opened,
  LINK.refused,
  LINK.taken,
  LINK.message,
  LINK.answer,
  LINK.begin,
  LINK.data,
  LINK.end,
  LINK.failed,
  LINK.heard,
  LINK.restarted,
  LINK.moved,
  LINK.ended,
  LINK.gap,
];

interface Opening {
  readonly node: string;
  readonly open: BusMessage;
  readonly opened: (message: BusMessage) => void;
  readonly failed: (error: Error) => void;
}

/** This node's places at processes of other nodes. */
export class RemoteLinks {
  readonly #bus: Bus;
  readonly #openTimeoutMs: number;
  /** A node that was started again under its id is another: nothing of before is its. */
  readonly #instance = randomBytes(6).toString('base64url');
  readonly #openings = new Map<string, Opening>();
  readonly #attachments = new Map<string, RemoteAttachment>();
  readonly #unsubscribe: readonly (() => void)[];
  #lastKey = 0;
  #sent = 0;

  /** `openTimeoutMs`: longer than an owner takes to start a process. */
  constructor(bus: Bus, openTimeoutMs: number) {
    this.#bus = bus;
    this.#openTimeoutMs = openTimeoutMs;
    this.#unsubscribe = [
      ...FROM_OWNER.map((kind) => bus.on(kind, (message, from) => this.#receive(message, from))),
      bus.onGap(() => this.#caughtUp()),
    ];
  }

  /** Nodes whose end has to be noticed. */
  *nodes(): Iterable<string> {
    for (const { node } of this.#openings.values()) yield node;
    for (const { node } of this.#attachments.values()) yield node;
  }

  /** Requests that went to other nodes. */
  get sent(): number {
    return this.#sent;
  }

  /** A process on another node. */
  place(node: string, process: ProcessName): Place {
    return { attach: (options) => this.#attach(node, process, options) };
  }

  /** Whether somebody listens at that node. Rejects with Unavailable while the bus is away. */
  hears(node: string): Promise<boolean> {
    return this.#bus.send(node, { kind: LINK.close, link: '' });
  }

  sweep(): void {
    const now = Date.now();
    for (const attachment of this.#attachments.values()) attachment.sweep(now);
  }

  /** Openings at a node that has gone will not be answered. */
  gone(node: string): void {
    for (const opening of this.#openings.values()) {
      if (opening.node === node) opening.failed(new Displaced('doubted'));
    }
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const { failed } of [...this.#openings.values()]) failed(new Displaced('moved'));
    const reason = new GatewayError(Code.Unavailable, 'The gateway is shutting down');
    for (const attachment of [...this.#attachments.values()]) attachment.detach(reason);
  }

  async #attach(node: string, process: ProcessName, options: AttachOptions): Promise<Attachment> {
    const { server, clientCapabilities: capabilities } = process;
    const { session, known, sharer } = options;
    const key = `${this.#instance}.${++this.#lastKey}`;
    const open: BusMessage = {
      kind: LINK.open,
      link: key,
      serverId: server.id,
      serverName: server.name,
      ...server.owner,
      revision: server.revision,
      capabilities,
      ...(session === undefined ? {} : { session }),
      ...(known === undefined ? {} : { known }),
    };
    // Made as the answer is heard: what the owner says next may be heard before a promise goes on.
    const attach = (opened: BusMessage) => {
      const attachment = new RemoteAttachment(
        {
          bus: this.#bus,
          node,
          key,
          serverName: server.name,
          sharer,
          onSend: () => this.#sent++,
          onEnd: () => this.#attachments.delete(key),
        },
        opened,
      );
      this.#attachments.set(key, attachment);
      return attachment;
    };
    const { promise, resolve, reject } = Promise.withResolvers<Attachment>();
    const timer = setTimeout(() => reject(nowhere(server.name)), this.#openTimeoutMs);
    this.#openings.set(key, {
      node,
      open,
      opened: (message) => resolve(attach(message)),
      failed: reject,
    });
    try {
      const doubt = () => reject(new Displaced('doubted'));
      this.#bus.send(node, open).then((heard) => {
        if (!heard) doubt();
      }, doubt);
      return await promise;
    } catch (error) {
      // It may be opened there all the same.
      insist(() => this.#bus.send(node, { kind: LINK.close, link: key }));
      throw error;
    } finally {
      clearTimeout(timer);
      this.#openings.delete(key);
    }
  }

  #receive(message: BusMessage, from: string): void {
    const key = String(message['link']);
    const opening = this.#openings.get(key);
    if (opening?.node === from && message.kind === LINK.opened) {
      this.#openings.delete(key);
      return opening.opened(message);
    }
    if (opening?.node === from && message.kind === LINK.refused) {
      return opening.failed(
        message['how'] === undefined ? errorOf(message) : new Displaced(displacementOf(message['how'])),
      );
    }
    const attachment = this.#attachments.get(key);
    if (attachment?.node === from) attachment.receive(message);
  }

  /** Messages may have been missed. An owner that knows of an opening answers it again. */
  #caughtUp(): void {
    for (const { node, open } of this.#openings.values()) this.#bus.send(node, open).catch(() => {});
    for (const attachment of this.#attachments.values()) attachment.check();
  }
}

function displacementOf(how: unknown): Displacement {
  return how === 'doubted' ? how : 'moved';
}
