import type { Principal } from '../auth/principal.ts';
import type { Bus } from '../coordination/bus.ts';
import type { EndedSession, SessionStore, StoredLink } from '../coordination/session-store.ts';
import type { EventLog } from '../events/event.ts';
import { overdueMs } from './lifetime.ts';
import type { ClientHello } from './session.ts';
import { sessionEvent, tellEnded } from './sessions.ts';
import { fromStored } from './stored.ts';

/** Sessions whose end is put in order at the same time. */
const AT_ONCE = 20;

export interface RetireOptions {
  /** As {@link Sessions} has it. */
  readonly idleMs: number;
  readonly store: SessionStore;
  readonly bus: Bus;
  readonly events?: EventLog;
  /** Closes the sessions with servers that a session leaves behind. Does not reject. */
  readonly closeLinks: (
    principal: Principal,
    hello: ClientHello,
    links: readonly StoredLink[],
  ) => Promise<void>;
}

/**
 * Ends the sessions that are overdue: nodes end what they have in hand, so the nodes of these have died. What they have
 * open at servers is closed, which nobody would do once the store has forgotten them. Resolves with how many. Rejects
 * with Unavailable while the store is away.
 */
export async function retireSessions(options: RetireOptions, signal: AbortSignal): Promise<number> {
  const { idleMs, store } = options;
  let count = 0;
  while (!signal.aborted) {
    const ended = await store.retire(overdueMs(idleMs), AT_ONCE);
    await Promise.all(ended.map((session) => retire(options, session)));
    count += ended.length;
    if (ended.length < AT_ONCE) break;
  }
  return count;
}

async function retire(
  { bus, closeLinks, events }: RetireOptions,
  { nodes, loaded }: EndedSession,
): Promise<void> {
  const { session, links } = loaded;
  const { principal, hello } = fromStored(loaded);
  events?.append(sessionEvent(principal, hello, session.id, 'ended'));
  await Promise.all([
    // This node, too, may have it in hand, and be late.
    tellEnded(bus, session.id, nodes),
    links.length === 0 ? undefined : closeLinks(principal, hello, links),
  ]);
}
