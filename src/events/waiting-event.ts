import { type ArgumentsKept, toStored } from './entry.ts';
import type { EventFields, StoredEvent } from './event.ts';

export interface EventForm {
  readonly nodeId: string;
  readonly kept: ArgumentsKept;
}

/**
 * An event that waits for its store, as it was told: of those that come faster than they can be stored most never get the
 * form in which they are kept. Arguments are not held meanwhile, which may be large, and secret.
 */
export class WaitingEvent {
  readonly #form: EventForm;
  readonly #time = Date.now();
  #told: EventFields | undefined;
  #stored: StoredEvent | undefined;

  constructor(event: EventFields, form: EventForm) {
    this.#told = event;
    this.#form = form;
    if (event.args !== undefined) this.stored();
  }

  /** The same each time: what is stored twice is told apart by its id. */
  stored(): StoredEvent {
    if (this.#told !== undefined) {
      this.#stored = toStored(this.#told, this.#time, this.#form.nodeId, this.#form.kept);
      this.#told = undefined;
    }
    return this.#stored as StoredEvent;
  }
}
