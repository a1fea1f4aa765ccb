/** How often what this node needs is asked whether it is there, in milliseconds. */
const PROBE_MS = 5000;

/**
 * Whether this node should get requests, and if not, why. Probes ask often and from many sides, so what it needs is
 * asked in the background and they get the last answer.
 */
export class NodeReadiness {
  #phase: 'starting' | 'serving' | 'draining' | 'leaving' = 'starting';
  readonly #faults = new Set<string>();
  #timer: NodeJS.Timeout | undefined;

  /** It is not to get requests any more, and goes on with those that it gets. */
  get isDraining(): boolean {
    return this.#phase === 'draining' || this.#phase === 'leaving';
  }

  /** Nobody can reach it any more, but for clients on connections that are open. */
  get isLeaving(): boolean {
    return this.#phase === 'leaving';
  }

  get state(): 'joining' | 'ready' | 'draining' {
    if (this.#phase === 'serving') return 'ready';
    return this.#phase === 'starting' ? 'joining' : 'draining';
  }

  /** The start is complete. `probes`, by what it means when they reject. */
  serve(probes: Readonly<Record<string, () => Promise<void>>>): void {
    this.#phase = 'serving';
    this.#timer = setInterval(() => {
      for (const [fault, probe] of Object.entries(probes)) {
        probe().then(
          () => this.#faults.delete(fault),
          () => this.#faults.add(fault),
        );
      }
    }, PROBE_MS);
    this.#timer.unref();
  }

  drain(): void {
    this.#phase = 'draining';
    clearInterval(this.#timer);
  }

  leave(): void {
    this.#phase = 'leaving';
  }

  /**
   * Whether a balancer may send MCP requests here. A database or a store that is away is no reason against it: it is away
   * for every node, and sessions in hand go on.
   */
  checkServing(): { readonly ready: boolean; readonly reasons: readonly string[] } {
    if (this.#phase === 'serving') return { ready: true, reasons: [] };
    return { ready: false, reasons: [this.#phase === 'starting' ? 'starting' : 'shutting down'] };
  }

  check(): { readonly ready: boolean; readonly reasons: readonly string[] } {
    const reasons = [...this.checkServing().reasons, ...this.#faults];
    return { ready: reasons.length === 0, reasons };
  }
}
