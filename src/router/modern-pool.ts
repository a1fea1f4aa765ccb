import { randomUUID } from 'node:crypto';
import { type Owner, ownerKey } from '../auth/principal.ts';
import { ownRefusal } from '../downstream/call.ts';
import type { Connector, DownstreamLink, DownstreamServer, LinkListener } from '../downstream/port.ts';
import { isUseOf } from '../downstream/server-id.ts';
import { type Message, parseMessage, type RequestMessage, resultText } from '../protocol/envelope.ts';

/** A session that nobody has used for so long is closed, in milliseconds. */
const IDLE_MS = 600_000;

export interface LegacyPoolOptions {
  readonly connector: Connector;
  /** Who hears what a server says outside any request. */
  readonly listener: (server: DownstreamServer, owner: Owner) => LinkListener;
}

interface Pooled {
  readonly serverId: string;
  readonly revision: number;
  readonly opening: Promise<DownstreamLink>;
  readonly abort: AbortController;
  link: DownstreamLink | undefined;
  /** Milliseconds since the epoch. */
  lastUsed: number;
  users: number;
}

/** A session in use; whoever has it gives it back once. */
export interface Borrowed {
  readonly link: DownstreamLink;
  giveBack(): void;
}

/**
 * Sessions with servers of the legacy era for those who have none: one for each principal and server, shared by all its
 * requests. They declare nothing that a client can do, so a server has nobody to ask.
 */
export class LegacyPool {
  readonly #options: LegacyPoolOptions;
  readonly #pooled = new Map<string, Pooled>();
  readonly #sweeper: NodeJS.Timeout;

  constructor(options: LegacyPoolOptions) {
    this.#options = options;
    this.#sweeper = setInterval(() => this.#sweep(), IDLE_MS / 10);
    this.#sweeper.unref();
  }

  /** The session where it is open: the usual case, and one without a promise. */
  borrowNow(owner: Owner, server: DownstreamServer): Borrowed | undefined {
    const pooled = this.#pooled.get(keyOf(owner, server.id));
    if (pooled?.revision !== server.revision || pooled.link === undefined) return undefined;
    return borrowed(pooled, pooled.link);
  }

  /** Rejects as opening a link does; the next one tries again. */
  async borrow(owner: Owner, server: DownstreamServer): Promise<Borrowed> {
    const key = keyOf(owner, server.id);
    let pooled = this.#pooled.get(key);
    if (pooled?.revision !== server.revision) {
      if (pooled !== undefined) this.#discard(key, pooled);
      pooled = this.#open(key, owner, server);
    }
    const lent = pooled;
    // Counted from the beginning, so that it is not swept away before it is used.
    lent.users++;
    try {
      return borrowed(lent, await lent.opening);
    } finally {
      lent.users--;
    }
  }

  /** The server has been removed or changed. */
  drop(serverId: string): void {
    for (const [key, pooled] of this.#pooled)
      if (isUseOf(pooled.serverId, serverId)) this.#discard(key, pooled);
  }

  async close(): Promise<void> {
    clearInterval(this.#sweeper);
    const open = [...this.#pooled.values()];
    this.#pooled.clear();
    for (const { abort } of open) abort.abort();
    await Promise.allSettled(open.map(async ({ opening }) => (await opening).close()));
  }

  #open(key: string, owner: Owner, server: DownstreamServer): Pooled {
    const abort = new AbortController();
    const listener = this.#options.listener(server, owner);
    const opening = this.#options.connector.open(server, {
      clientCapabilities: {},
      listener: {
        ...listener,
        message: (message) => {
          if (message.kind !== 'request') listener.message(message);
          else pooled.link?.send(answerForNobody(message));
        },
      },
      signal: abort.signal,
      session: `pool-${randomUUID()}`,
    });
    const pooled: Pooled = {
      serverId: server.id,
      revision: server.revision,
      opening,
      abort,
      link: undefined,
      lastUsed: Date.now(),
      users: 0,
    };
    this.#pooled.set(key, pooled);
    opening.then(
      (link) => {
        pooled.link = link;
      },
      () => {
        if (this.#pooled.get(key) === pooled) this.#pooled.delete(key);
      },
    );
    return pooled;
  }

  #discard(key: string, pooled: Pooled): void {
    this.#pooled.delete(key);
    pooled.abort.abort();
    pooled.opening.then((link) => link.close()).catch(() => {});
  }

  #sweep(): void {
    const since = Date.now() - IDLE_MS;
    for (const [key, pooled] of this.#pooled) {
      if (pooled.users === 0 && pooled.lastUsed < since) this.#discard(key, pooled);
    }
  }
}

function keyOf(owner: Owner, serverId: string): string {
  return `${ownerKey(owner)} ${serverId}`;
}

function borrowed(pooled: Pooled, link: DownstreamLink): Borrowed {
  pooled.users++;
  let isOut = true;
  return {
    link,
    giveBack: () => {
      if (!isOut) return;
      isOut = false;
      pooled.users--;
      pooled.lastUsed = Date.now();
    },
  };
}

/** The answer to a server's request in a session that many share: nobody stands behind it, but it lives. */
export function answerForNobody({ id, method }: RequestMessage): Message {
  return method === 'ping'
    ? parseMessage(resultText(id, '{}'), 8)
    : ownRefusal(id, 'No client is connected that could answer');
}
