import type { Bus, BusMessage } from '../coordination/bus.ts';
import type { Tracing } from '../telemetry/types.ts';
import { insist } from './insist.ts';
import { errorFields, LINK, outcomeUnknown } from './link-messages.ts';
import type { ServerHandshake } from './port.ts';
import { Displaced } from './process-place.ts';
import type { HostedOptions, LocalAttachment } from './process-share.ts';
import { ServedLink } from './served-link.ts';

/** A process as another node names it; nothing of how it is started. */
export interface WantedProcess {
  readonly serverId: string;
  readonly serverName: string;
  readonly tenantId: string;
  readonly userId: string;
  readonly revision: number;
  readonly clientCapabilities: Readonly<Record<string, unknown>>;
}

export interface LinkHostOptions {
  readonly bus: Bus;
  readonly tracing?: Tracing | undefined;
  /** Whether a node is a living member of the cluster. */
  readonly isMember: (node: string) => Promise<boolean>;
  /** Takes a place at a process, where that is this node's to run. Throws {@link Displaced}, and what the downstream port throws. */
  readonly attach: (wanted: WantedProcess, options: HostedOptions) => Promise<LocalAttachment>;
}

/** What a node uses here, under what it calls itself since it was started. */
interface Served {
  readonly instance: string;
  readonly links: Map<string, ServedLink>;
}

const TO_OWNER = [LINK.request, LINK.cancel, LINK.more, LINK.send, LINK.check, LINK.close];

/** What other nodes use of the processes of this one. */
export class LinkHost {
  readonly #options: LinkHostOptions;
  /** By node. */
  readonly #served = new Map<string, Served>();
  readonly #unsubscribe: readonly (() => void)[];
  #requests = 0;

  constructor(options: LinkHostOptions) {
    this.#options = options;
    const { bus } = options;
    this.#unsubscribe = [
      bus.on(LINK.open, (message, from) => this.#open(message, from)),
      ...TO_OWNER.map((kind) => bus.on(kind, (message, from) => this.#receive(message, from))),
      bus.onGap(() => {
        for (const link of this.#links()) link.gap();
      }),
    ];
  }

  /** Requests of other nodes that were served. */
  get served(): number {
    return this.#requests;
  }

  /** Nodes whose end has to be noticed. */
  nodes(): Iterable<string> {
    return this.#served.keys();
  }

  gone(node: string): void {
    for (const link of [...(this.#served.get(node)?.links.values() ?? [])]) link.gone();
  }

  close(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
    for (const link of [...this.#links()]) link.gone();
  }

  *#links(): Iterable<ServedLink> {
    for (const { links } of this.#served.values()) yield* links.values();
  }

  #open(message: BusMessage, node: string): void {
    const key = String(message['link']);
    const known = this.#served.get(node)?.links.get(key);
    if (known !== undefined) return known.sayOpened();
    const link: ServedLink = new ServedLink({
      bus: this.#options.bus,
      tracing: this.#options.tracing,
      node,
      key,
      serverName: String(message['serverName']),
      onEnd: () => this.#forget(link),
    });
    this.#linksOf(node, key).set(key, link);
    this.#attach(link, message).then(
      (attachment) => link.opened(attachment),
      (error) => link.refused(error),
    );
  }

  async #attach(link: ServedLink, message: BusMessage): Promise<LocalAttachment> {
    // One that was away for a while may not have said yet that it is back.
    if (!(await this.#options.isMember(link.node))) throw new Displaced('doubted');
    const { session, known, capabilities } = message;
    const wanted: WantedProcess = {
      serverId: String(message['serverId']),
      serverName: String(message['serverName']),
      tenantId: String(message['tenantId']),
      userId: String(message['userId']),
      revision: Number(message['revision']),
      clientCapabilities: capabilities as WantedProcess['clientCapabilities'],
    };
    return this.#options.attach(wanted, {
      session: typeof session === 'string' ? session : undefined,
      known: known as ServerHandshake | undefined,
      sharer: link,
      remote: link,
    });
  }

  #receive(message: BusMessage, node: string): void {
    const key = String(message['link']);
    const link = this.#served.get(node)?.links.get(key);
    if (link !== undefined) {
      if (message.kind === LINK.request) this.#requests++;
      return link.receive(message);
    }
    if (message.kind === LINK.close) return;
    // Of a link that has ended, or of before this node was started anew.
    for (const said of answersOfNobody(message)) {
      insist(() => this.#options.bus.send(node, { ...said, link: key }));
    }
  }

  /** A node that was started anew under its id knows nothing of what it had before. */
  #linksOf(node: string, key: string): Map<string, ServedLink> {
    const instance = key.slice(0, key.indexOf('.'));
    if (this.#served.get(node)?.instance !== instance) this.gone(node);
    const { links } = this.#served.get(node) ?? { links: new Map<string, ServedLink>() };
    this.#served.set(node, { instance, links });
    return links;
  }

  #forget(link: ServedLink): void {
    const links = this.#served.get(link.node)?.links;
    if (links?.get(link.key) !== link) return;
    links.delete(link.key);
    if (links.size === 0) this.#served.delete(link.node);
  }
}

/** What is said of a link that nobody knows: new requests are not taken, and of older ones nobody knows anything. */
function answersOfNobody(message: BusMessage): BusMessage[] {
  const { kind, request, requests } = message;
  if (kind === LINK.request) return [{ kind: LINK.refused, request, isForgotten: true }];
  const lost = errorFields(outcomeUnknown(String(message['serverName'])));
  const numbers = kind === LINK.check && Array.isArray(requests) ? requests : [];
  return [
    ...numbers.map(([number]) => ({ kind: LINK.failed, request: number, ...lost })),
    { kind: LINK.ended, why: 'forgotten' },
  ];
}
