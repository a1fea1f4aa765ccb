import { setTimeout as delay } from 'node:timers/promises';
import { Displaced, type Ending, type Place } from './process-place.ts';
import { type HostedOptions, type LocalAttachment, ProcessShare } from './process-share.ts';
import type { StdioServer } from './stdio-server.ts';

/** A process without users is kept in mind for so long: with it how often it has failed, lest it be started without end. */
const UNUSED_MS = 60_000;

/** Between two looks whether a process that is given up is idle. */
const LOOK_MS = 20;

/** A process that this node owns, shared by sessions of all nodes. */
export class HostedProcess implements Place {
  readonly #process: StdioServer;
  readonly #shares = new Map<string | symbol, ProcessShare>();
  #phase: 'open' | 'draining' | 'moving' | 'ended' = 'open';
  #lastUsed = Date.now();

  constructor(process: StdioServer) {
    this.#process = process;
  }

  get process(): StdioServer {
    return this.#process;
  }

  /** Takes sessions of this node. */
  get isOpen(): boolean {
    return this.#phase === 'open' || this.#phase === 'draining';
  }

  /** Nobody has used it for a while, and nothing of it runs. */
  get isUnused(): boolean {
    if (this.#shares.size > 0 || this.#process.isRunning) this.#lastUsed = Date.now();
    return this.#lastUsed < Date.now() - UNUSED_MS;
  }

  /** Other nodes use it. */
  get isUsedElsewhere(): boolean {
    return this.#attachments().some(({ options }) => options.remote !== undefined);
  }

  async attach(options: HostedOptions): Promise<LocalAttachment> {
    const { session, remote } = options;
    const known = session === undefined ? undefined : this.#shares.get(session);
    const isLeaving = !this.isOpen || (remote !== undefined && this.#phase === 'draining');
    // A session that is known here may still have to answer what it is asked here.
    if (this.#phase === 'ended' || (isLeaving && known === undefined)) throw new Displaced('moved');
    const attachment = await (known ?? this.#share(session)).attach(options);
    this.#lastUsed = Date.now();
    if (isLeaving) options.sharer.moved();
    return attachment;
  }

  /** This node is about to stop: others get the process when they want it. */
  drain(): void {
    if (this.#phase === 'open') this.#phase = 'draining';
  }

  /** Takes nothing new. Resolves when what runs has ended. */
  async quiesce(signal: AbortSignal): Promise<void> {
    if (!this.isOpen) return;
    this.#phase = 'moving';
    for (const { options } of this.#attachments()) options.sharer.moved();
    const isBusy = () =>
      !this.#process.isIdle || this.#attachments().some(({ options }) => options.remote?.isBusy === true);
    while (isBusy() && !signal.aborted) {
      await delay(LOOK_MS, undefined, { ref: false });
    }
  }

  /** Takes nothing and nobody any more. */
  end(): void {
    this.#phase = 'ended';
  }

  /** Tells everybody that nothing more comes from here. */
  tell(why: Ending): void {
    for (const { options } of this.#attachments()) options.sharer.ended(why);
    this.#shares.clear();
  }

  #share(session: string | undefined): ProcessShare {
    const key = session ?? Symbol('the gateway itself');
    const share: ProcessShare = new ProcessShare(this.#process, () => {
      if (this.#shares.get(key) === share) this.#shares.delete(key);
    });
    this.#shares.set(key, share);
    return share;
  }

  #attachments(): LocalAttachment[] {
    return [...this.#shares.values()].flatMap((share) => [...share.attachments]);
  }
}
