/** How much later than nodes the store forgets a session, in milliseconds, so that it can be ended in good order. */
const STORE_MARGIN_MS = 120_000;

const SWEEP_MS = 10_000;

/** Milliseconds without use after which the store forgets a session. */
export function storeTtlMs(idleMs: number): number {
  return idleMs + STORE_MARGIN_MS;
}

/** Milliseconds between two looks of a node at the sessions that it has in hand. */
export function sweepMs(idleMs: number): number {
  return Math.min(idleMs, SWEEP_MS);
}

/**
 * Milliseconds that the store still keeps a session when it is overdue: the nodes that had it in hand have had three
 * looks' time to end it, so they are gone.
 */
export function overdueMs(idleMs: number): number {
  return STORE_MARGIN_MS - 3 * sweepMs(idleMs);
}
