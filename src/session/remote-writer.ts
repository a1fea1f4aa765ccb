import type { BusMessage } from '../coordination/bus.ts';
import type { StreamWriter } from './client-stream.ts';

export interface RemoteWriterOptions {
  /** Resolves with whether it was heard. */
  readonly send: (message: BusMessage) => Promise<boolean>;
  /** Kinds of the messages. */
  readonly part: string;
  readonly end: string;
}

/** Stands for a connection on another node. */
export class RemoteWriter implements StreamWriter {
  readonly #options: RemoteWriterOptions;
  #largeId = '';
  #pieces: Buffer[] = [];
  /** The bus keeps the order of what is sent, as long as each send waits for the one before. */
  #turn: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  #isBroken = false;

  constructor(options: RemoteWriterOptions) {
    this.#options = options;
  }

  /** Something was not heard: nothing more is said. */
  get isBroken(): boolean {
    return this.#isBroken;
  }

  /** All is said that there was to say. */
  get isIdle(): boolean {
    return this.#waiting === 0;
  }

  write(data: string, eventId: string | undefined): boolean {
    this.#send({ kind: this.#options.part, data, id: eventId });
    return true;
  }

  begin(eventId: string): void {
    this.#largeId = eventId;
  }

  part(bytes: Buffer): boolean {
    this.#pieces.push(bytes);
    return true;
  }

  finish(): void {
    const data = Buffer.concat(this.#pieces).toString();
    this.#pieces = [];
    this.write(data, this.#largeId);
  }

  end(): void {
    this.#send({ kind: this.#options.end });
  }

  /** Says nothing more. */
  close(): void {
    this.#isBroken = true;
  }

  #send(message: BusMessage): void {
    this.#waiting++;
    this.#turn = this.#turn.then(async () => {
      if (!this.#isBroken && !(await this.#options.send(message))) this.#isBroken = true;
      this.#waiting--;
    });
  }
}
