/** What nodes say to each other: JSON. `kind` says whose message it is; the rest belongs to that part. */
export interface BusMessage {
  readonly kind: string;
  readonly [key: string]: unknown;
}

/** `from` is the node that sent it. */
export type BusListener = (message: BusMessage, from: string) => void;

/**
 * Messages between nodes, at most once and in order between two nodes. To one node: on that node's own channel, so the
 * cost does not grow with the number of nodes. What is published while the bus is away is lost; listeners of `onGap` then
 * read again what they must not miss.
 */
export interface Bus {
  readonly nodeId: string;
  /** To one node. Resolves with whether somebody was listening. Rejects with Unavailable while the bus is away. */
  send(to: string, message: BusMessage): Promise<boolean>;
  /** To every node, this one excepted. */
  broadcast(message: BusMessage): Promise<void>;
  /** Messages of one kind. Returns what ends the subscription. */
  on(kind: string, listener: BusListener): () => void;
  /** Called when messages may have been missed: after a reconnect. */
  onGap(listener: () => void): () => void;
  close(): Promise<void>;
}
