import { type Message, own } from '../protocol/envelope.ts';

/** How far a client has been told that its call has come. It only ever rises (2025-11-25, progress), also where a call is run again. */
export class RisingProgress {
  #told: number | undefined;
  #floor: number | undefined;

  /** `told`: what the client was told of it before. */
  constructor(told?: number) {
    this.#told = told;
    this.#floor = told;
  }

  get told(): number | undefined {
    return this.#told;
  }

  /** Whether a message is new to the client. */
  passes(message: Message): boolean {
    const progress = progressOf(message);
    if (progress === undefined) return true;
    if (this.#floor !== undefined && progress <= this.#floor) return false;
    this.#told = progress;
    return true;
  }

  /** The call is run again from its beginning. */
  restart(): void {
    this.#floor = this.#told;
  }
}

function progressOf(message: Message): number | undefined {
  if (message.kind !== 'notification' || message.method !== 'notifications/progress') return undefined;
  const progress = message.params === undefined ? undefined : own(message.params, 'progress');
  return typeof progress === 'number' ? progress : undefined;
}
