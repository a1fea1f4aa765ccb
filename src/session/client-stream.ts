/** One open GET stream of a client, as the edge gives it. */
export interface StreamWriter {
  /** Sends one JSON-RPC message. */
  write(text: string): void;
  end(): void;
}

/** Messages kept for a client that has no stream open. A client that never opens one must not cost memory for ever. */
const MAX_WAITING = 256;

/**
 * What a server, or the gateway itself, has to say to a client outside any request. A message goes out on one stream
 * only, the newest (2025-11-25, transports: Multiple Connections); without one it waits.
 */
export class ClientStream {
  readonly #writers: StreamWriter[] = [];
  #waiting: string[] = [];

  get isOpen(): boolean {
    return this.#writers.length > 0;
  }

  get count(): number {
    return this.#writers.length;
  }

  attach(writer: StreamWriter): void {
    this.#writers.push(writer);
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const text of waiting) writer.write(text);
  }

  detach(writer: StreamWriter): void {
    const index = this.#writers.indexOf(writer);
    if (index !== -1) this.#writers.splice(index, 1);
  }

  send(text: string): void {
    const writer = this.#writers.at(-1);
    if (writer !== undefined) return writer.write(text);
    // The same news twice is no more than once: a list that changed often has changed.
    if (this.#waiting.includes(text)) return;
    if (this.#waiting.length === MAX_WAITING) this.#waiting.shift();
    this.#waiting.push(text);
  }

  end(): void {
    for (const writer of this.#writers.splice(0)) writer.end();
    this.#waiting = [];
  }
}
