import type { Owner } from '../auth/principal.ts';
import type { StoredLink } from '../coordination/session-store.ts';
import type { ServerRecord } from '../db/server-record.ts';
import { type Connector, downstreamServer, idInUse } from '../downstream/port.ts';
import type { Logger } from '../telemetry/types.ts';
import { fromStored } from './links.ts';

export interface OrphanLinksOptions {
  /** All servers of an owner. */
  readonly servers: (owner: Owner) => Promise<readonly ServerRecord[]>;
  readonly connector: Connector;
  readonly logger: Logger;
}

/** Nobody is behind these sessions any more who could hear what a server says. */
const NOBODY = { message: () => {}, restarted: () => {} };

/**
 * Ends the sessions with servers that a client session leaves behind which no node has in hand. Those with servers that
 * were removed or changed since are left to the servers. Never rejects.
 */
export async function closeOrphanLinks(
  owner: Owner,
  clientCapabilities: Readonly<Record<string, unknown>>,
  links: readonly StoredLink[],
  { servers, connector, logger }: OrphanLinksOptions,
): Promise<void> {
  // Without an id there is nothing that the server keeps. Processes are let go of by the nodes that run them.
  const named = links.filter(
    ({ sessionId, transport }) => sessionId !== undefined && transport !== 'process',
  );
  if (named.length === 0) return;
  try {
    const records = new Map((await servers(owner)).map((record) => [idInUse(record), record]));
    const closed = await Promise.allSettled(
      named.map(async (stored) => {
        const record = records.get(stored.serverId);
        if (record?.revision !== stored.revision || record.unreadable !== undefined) return;
        const { signal } = new AbortController();
        const options = { clientCapabilities, listener: NOBODY, signal, resume: fromStored(stored) };
        const link = await connector.open(downstreamServer(record), options);
        await link.close();
      }),
    );
    for (const one of closed) if (one.status === 'rejected') throw one.reason;
  } catch (error) {
    logger.warn('sessions with servers could not be ended', { reason: String(error) });
  }
}
