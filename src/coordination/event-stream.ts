/** Events as they were put in together. */
export interface StreamedEvents {
  readonly id: string;
  /** As they were put in. */
  readonly data: string;
}

/**
 * Events on their way from all nodes to the one that stores them. What is in it outlives the nodes. Every method rejects
 * with Unavailable while the store is away.
 */
export interface EventStream {
  /**
   * Puts events in, in a form that is theirs. Their bytes have left this process when it returns, as far as the store's
   * connection takes them; the promise tells that they are in.
   */
  append(data: string): Promise<void>;
  /** The next ones, for a reader: those first that another has left for `idleMs`. They are read again unless they are done. */
  read(reader: string, count: number, idleMs: number): Promise<readonly StreamedEvents[]>;
  /** They are stored, and forgotten here. */
  done(ids: readonly string[]): Promise<void>;
  /** How many are in it. */
  size(): Promise<number>;
}

/** Entries that are in it at most; beyond, the oldest are dropped, whether they are stored or not. */
export const MAX_STREAMED = 500_000;
