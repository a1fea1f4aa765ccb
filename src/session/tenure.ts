import type { NotTaken, Standing, StreamLog, StreamPlace, Taken, Taker } from '../coordination/stream-log.ts';

/** A node gives up where others take the stream again and again. */
const ATTEMPTS = 5;

/**
 * Whether a session's stream is this node's, as far as it knows: the client was connected here last, so the node writes
 * to it, and listens to what servers say on their own streams.
 */
export class Tenure {
  /** The node writes to the client where that is connected. */
  isHolder = false;
  isListening = false;
  /** The client is connected here and the store does not know. */
  isUnconfirmed = false;
  readonly #log: StreamLog;
  readonly #sessionId: string;
  readonly #taker: Omit<Taker, 'takes'>;
  readonly #onLost: () => void;
  /** As the store had it when this node asked last. */
  #takes = 0;

  /** `onLost`: servers are not to be listened to any more, or no longer from where this node is. */
  constructor(log: StreamLog, sessionId: string, taker: Omit<Taker, 'takes'>, onLost: () => void) {
    this.#log = log;
    this.#sessionId = sessionId;
    this.#taker = taker;
    this.#onLost = onLost;
  }

  /** Takes the stream, also from another node. Undefined where others do so all the time. */
  async take(place: StreamPlace | undefined): Promise<Taken | undefined> {
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const taken = await this.#takeOnce(place);
      if (taken.isTaken) return taken;
      if (!taken.isTaker && this.isListening) this.surrender();
      this.#takes = taken.takes;
    }
    return undefined;
  }

  /** Takes it once more, unless another node has taken it since: it is lost then, and undefined returned. */
  async retake(place: StreamPlace): Promise<Taken | undefined> {
    for (;;) {
      const taken = await this.#takeOnce(place);
      if (taken.isTaken) {
        this.#takes = taken.takes;
        this.isUnconfirmed = false;
        return taken;
      }
      if (!taken.isTaker && taken.takes > this.#takes) {
        this.surrender();
        return undefined;
      }
      // The answer to the last time got lost, or the store has lost that time.
      this.#takes = taken.takes;
    }
  }

  begin({ takes, isContinued }: Pick<Taken, 'takes' | 'isContinued'>): void {
    // Servers are heard anew from where the log stands: another node has listened meanwhile.
    if (!isContinued && this.isListening) this.surrender();
    this.isHolder = true;
    this.isListening = true;
    this.isUnconfirmed = false;
    this.#takes = takes;
  }

  /** What the store says. */
  heed({ takes, isTaker }: Standing): void {
    if (isTaker) this.#takes = takes;
    else if (this.isListening && takes > this.#takes) this.surrender();
    else if (this.isHolder) this.isUnconfirmed = true;
  }

  /** Another node says that it has taken the stream. News may be late, and this one have it again. Older nodes say no number. */
  moved(takes: number): void {
    if (!(takes <= this.#takes)) this.surrender();
  }

  surrender(): void {
    this.isHolder = false;
    this.isListening = false;
    this.isUnconfirmed = false;
    this.#onLost();
  }

  /** The client is not connected any more. */
  async leave(): Promise<void> {
    await this.#log.leave(this.#sessionId, this.#takes);
  }

  #takeOnce(place: StreamPlace | undefined): Promise<Taken | NotTaken> {
    return this.#log.take(this.#sessionId, { ...this.#taker, takes: this.#takes }, place);
  }
}
