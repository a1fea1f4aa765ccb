import { randomUUID } from 'node:crypto';
import type { Bus, BusMessage } from '../coordination/bus.ts';
import type { ResponseMessage } from '../protocol/envelope.ts';
import { parseMessage } from '../protocol/envelope.ts';

/** To the node that asked a client something on a modern server's behalf: the answer landed elsewhere. */
const ANSWER = 'input.answer';

const MAX_DEPTH = 512;

interface Pending {
  readonly session: string | undefined;
  readonly take: (answer: ResponseMessage) => void;
}

/**
 * What clients were asked on behalf of servers that cannot ask by themselves, until they answer. The ids of these requests
 * begin with the node that waits, so an answer finds its way there from any node; one of another session is not taken.
 */
export class InputAnswers {
  readonly #bus: Bus;
  readonly #pending = new Map<string, Pending>();
  readonly #unsubscribe: () => void;

  constructor(bus: Bus) {
    this.#bus = bus;
    this.#unsubscribe = bus.on(ANSWER, (message) => this.#fromElsewhere(message));
  }

  /** A new id, under which one answer of this session is taken. */
  expect(session: string | undefined, take: (answer: ResponseMessage) => void): string {
    const id = `${this.#bus.nodeId}~${randomUUID()}`;
    this.#pending.set(id, { session, take });
    return id;
  }

  /** No answer is wanted any more. */
  forget(id: string): void {
    this.#pending.delete(id);
  }

  /** An answer of a client's, whichever node waits for it. One that nobody waits for is let go of. */
  deliver(session: string | undefined, answer: ResponseMessage): void {
    const id = String(answer.id);
    const node = id.slice(0, Math.max(0, id.lastIndexOf('~')));
    if (node === this.#bus.nodeId) return this.#take(session, answer);
    this.#bus.send(node, { kind: ANSWER, session, text: answer.text }).catch(() => {
      // The bus is away: the call ends when its time is up, as with any answer that does not come.
    });
  }

  close(): void {
    this.#unsubscribe();
    this.#pending.clear();
  }

  #fromElsewhere(message: BusMessage): void {
    const session = message['session'];
    const answer = parseMessage(String(message['text']), MAX_DEPTH);
    if (answer.kind === 'response') this.#take(typeof session === 'string' ? session : undefined, answer);
  }

  #take(session: string | undefined, answer: ResponseMessage): void {
    const id = String(answer.id);
    const pending = this.#pending.get(id);
    if (pending === undefined || pending.session !== session) return;
    this.#pending.delete(id);
    pending.take(answer);
  }
}
