/** How often the database is asked whether it is there, in milliseconds. */
const PROBE_MS = 5000;

/**
 * Whether this node should get requests, and if not, why. Probes ask often and from many sides, so the database is
 * asked in the background and they get the last answer.
 */
export class NodeReadiness {
  #phase: 'starting' | 'serving' | 'draining' = 'starting';
  #databaseFault: string | undefined;
  #timer: NodeJS.Timeout | undefined;

  get isDraining(): boolean {
    return this.#phase === 'draining';
  }

  get state(): 'joining' | 'ready' | 'draining' {
    if (this.#phase === 'serving') return 'ready';
    return this.#phase === 'starting' ? 'joining' : 'draining';
  }

  /** The start is complete. `ping` rejects while the database is away. */
  serve(ping: () => Promise<void>): void {
    this.#phase = 'serving';
    this.#timer = setInterval(() => {
      ping().then(
        () => {
          this.#databaseFault = undefined;
        },
        () => {
          this.#databaseFault = 'the database does not answer';
        },
      );
    }, PROBE_MS);
    this.#timer.unref();
  }

  drain(): void {
    this.#phase = 'draining';
    clearInterval(this.#timer);
  }

  check(): { readonly ready: boolean; readonly reasons: readonly string[] } {
    const reasons = [
      ...(this.#phase === 'serving' ? [] : [this.#phase === 'starting' ? 'starting' : 'shutting down']),
      ...(this.#databaseFault === undefined ? [] : [this.#databaseFault]),
    ];
    return { ready: reasons.length === 0, reasons };
  }
}
