import type { BusMessage } from '../coordination/bus.ts';

interface Numbered extends BusMessage {
  readonly n: number;
}

/** Before what was not heard is said again, in milliseconds. */
const AGAIN_MS = 250;

/**
 * Messages that have to be heard all, and each once: numbered from 0 in `n`. What was not heard, or where that is not
 * known, is said again until it is; whoever listens drops what comes twice, see {@link InOrder}.
 */
export class NumberedMessages {
  readonly #send: (message: BusMessage) => Promise<boolean>;
  readonly #onLast: () => void;
  /** Not heard yet, in order. While there are any, what comes waits behind them. */
  #unheard: Numbered[] = [];
  #next = 0;
  #isComplete = false;
  /** How many are known to have been heard. */
  #count = 0;
  #timer: NodeJS.Timeout | undefined;
  #isRepeating = false;

  /** `send` resolves with whether somebody was listening. `onLast`: all that was said was heard. */
  constructor(send: (message: BusMessage) => Promise<boolean>, onLast: () => void) {
    this.#send = send;
    this.#onLast = onLast;
  }

  say(message: BusMessage, isLast = false): void {
    const numbered: Numbered = { ...message, n: this.#next++ };
    if (isLast) this.#isComplete = true;
    if (this.#unheard.length > 0) this.#unheard.push(numbered);
    else this.#transmit(numbered);
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#unheard = [];
    this.#isComplete = false;
  }

  #transmit(message: Numbered): void {
    this.#send(message).then(
      (heard) => (heard ? this.#heard() : this.#notHeard(message)),
      () => this.#notHeard(message),
    );
  }

  #heard(): void {
    if (++this.#count === this.#next && this.#isComplete) this.#onLast();
  }

  #notHeard(message: Numbered): void {
    // Others that were under way with it fail one after the other.
    const place = this.#unheard.findIndex(({ n }) => n > message.n);
    this.#unheard.splice(place === -1 ? this.#unheard.length : place, 0, message);
    this.#repeatLater();
  }

  #repeatLater(): void {
    if (this.#isRepeating) return;
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => void this.#repeat(), AGAIN_MS);
    this.#timer.unref();
  }

  /** One after the other, since each has to be heard before the next. */
  async #repeat(): Promise<void> {
    this.#isRepeating = true;
    let heard = true;
    for (let first = this.#unheard[0]; first !== undefined && heard; first = this.#unheard[0]) {
      const message = first;
      heard = await this.#send(message).catch(() => false);
      if (!heard) break;
      this.#unheard = this.#unheard.filter((waiting) => waiting !== message);
      this.#heard();
    }
    this.#isRepeating = false;
    if (!heard && this.#unheard.length > 0) this.#repeatLater();
  }
}

/** The other end of {@link NumberedMessages}. */
export class InOrder {
  readonly #early = new Map<number, BusMessage>();
  #next = 0;

  /** Gives on what is to be taken now, in order: nothing of what comes twice, or before its turn. */
  take(message: BusMessage, give: (message: BusMessage) => void): void {
    const n = Number(message['n']);
    if (!(n >= this.#next)) return;
    if (n > this.#next) {
      this.#early.set(n, message);
      return;
    }
    for (let next: BusMessage | undefined = message; next !== undefined; ) {
      this.#early.delete(this.#next++);
      give(next);
      next = this.#early.get(this.#next);
    }
  }
}
