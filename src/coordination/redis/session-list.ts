import { hash } from 'node:crypto';
import type { Keys } from '../keys.ts';
import { markOf } from '../session-mark.ts';
import type { ListedSession, SessionList, SessionsOf, StoredSession } from '../session-store.ts';
import type { Commands } from './commands.ts';
import { asArray, asNumber, asString } from './replies.ts';
import { parseSession, readNodes } from './session-record.ts';

/**
 * Sessions by whose they are, each twice: among those of its tenant and of its user. A hint, as the index is: what a
 * session is stands in its own record, and what has ended without a word is taken out by the list that comes across it.
 */
export class RedisSessionList {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async list(of: SessionsOf, after: string | undefined, limit: number): Promise<SessionList> {
    const start = startOf(of);
    const from = after === undefined ? `[${start}` : `(${start}${after};`;
    const [total, ids] = await Promise.all([
      this.#commands.command('ZLEXCOUNT', this.#keys.sessionList, `[${start}`, pastOf(start)),
      this.#idsIn(from, pastOf(start), limit + 1),
    ]);
    const page = ids.slice(0, limit);
    const found = await Promise.all(page.map((id) => this.#describe(id)));
    const last = page.at(-1);
    const gone = page.filter((_, place) => found[place] === undefined);
    void this.#forget(start, gone);
    return {
      items: found.filter((session) => session !== undefined),
      total: asNumber(total),
      ...(last === undefined || ids.length === page.length ? {} : { next: markOf(last) }),
    };
  }

  async find(tenantId: string, mark: string): Promise<ListedSession | undefined> {
    const start = `${startOf({ tenantId })}${mark}:`;
    const [id] = await this.#idsIn(`[${start}`, pastOf(start), 1);
    return id === undefined ? undefined : await this.#describe(id);
  }

  /** Never rejects: what is left is taken out by the list that comes across it. */
  async drop(session: StoredSession): Promise<void> {
    await this.#commands.command('ZREM', this.#keys.sessionList, ...listEntries(session)).catch(ignore);
  }

  async #idsIn(from: string, to: string, limit: number): Promise<readonly string[]> {
    const key = this.#keys.sessionList;
    const reply = await this.#commands.command('ZRANGE', key, from, to, 'BYLEX', 'LIMIT', 0, limit);
    return asArray(reply).map((entry) => asString(entry).split(':')[2] ?? '');
  }

  async #describe(id: string): Promise<ListedSession | undefined> {
    const reply = await this.#commands.run('describeSession-1', [this.#keys.session(id)], []);
    if (reply === null) return undefined;
    const [record, holder, leftMs, names] = asArray(reply);
    const session = parseSession(asString(record));
    if (session === undefined) return undefined;
    const nodes = readNodes(asArray(names).map(asString));
    const holds = asString(holder);
    return {
      session,
      mark: markOf(id),
      nodes,
      leftMs: asNumber(leftMs),
      ...(holds === '' ? {} : { holder: holds }),
    };
  }

  async #forget(start: string, ids: readonly string[]): Promise<void> {
    if (ids.length === 0) return;
    const entries = ids.map((id) => entry(start, id));
    await this.#commands.command('ZREM', this.#keys.sessionList, ...entries).catch(ignore);
  }
}

/** What the list has of a session. */
export function listEntries(session: StoredSession): readonly [string, string] {
  const { id, tenantId, userId } = session;
  return [entry(startOf({ tenantId }), id), entry(startOf({ tenantId, userId }), id)];
}

function entry(start: string, id: string): string {
  return `${start}${markOf(id)}:${id}`;
}

/** Ids of tenants and users are anybody's to choose: what an entry begins with is a digest. */
function startOf({ tenantId, userId }: SessionsOf): string {
  const whose = JSON.stringify(userId === undefined ? [tenantId] : [tenantId, userId]);
  return `${userId === undefined ? 't' : 'u'}${hash('sha256', whose, 'base64url').slice(0, 16)}:`;
}

/** What comes right after everything that begins so: `;` follows `:`. */
function pastOf(start: string): string {
  return `(${start.slice(0, -1)};`;
}

function ignore(): void {}
