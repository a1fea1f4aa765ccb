import type { Keys } from '../keys.ts';
import type {
  EndedSession,
  ListedSession,
  LoadedSession,
  SessionList,
  SessionStore,
  SessionsOf,
  StoredLink,
  StoredSession,
} from '../session-store.ts';
import type { Commands } from './commands.ts';
import { asArray, asOptionalString, asPairs, asString } from './replies.ts';
import { type Outcome, SessionIndex } from './session-index.ts';
import { listEntries, RedisSessionList } from './session-list.ts';
import {
  FIELD,
  linkField,
  linkLine,
  nodeField,
  READABLE,
  readLink,
  readNodes,
  readSession,
  subscriptionField,
  writeLink,
  writeSession,
} from './session-record.ts';

/** Commands under way at a time where many sessions are touched, so that none waits too long for its answer. */
const TOUCH_BATCH = 200;

/** One hash for each session, so that whatever happens to it is one atomic step and it expires as a whole. */
export class RedisSessionStore implements SessionStore {
  readonly #commands: Commands;
  readonly #keys: Keys;
  readonly #index: SessionIndex;
  readonly #list: RedisSessionList;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
    this.#index = new SessionIndex(commands, keys);
    this.#list = new RedisSessionList(commands, keys);
  }

  async create(session: StoredSession, nodeId: string, ttlMs: number): Promise<void> {
    const args = [writeSession(session), nodeField(nodeId), ttlMs];
    await this.#commands.runRepeatably('createSession-1', [this.#keys.session(session.id)], args);
    void this.#index.note([session.id], ttlMs, listEntries(session));
  }

  async load(id: string, nodeId: string, ttlMs: number): Promise<LoadedSession | undefined> {
    const reply = await this.#commands.runRepeatably(
      'loadSession-1',
      [this.#keys.session(id)],
      [nodeField(nodeId), ttlMs],
    );
    if (reply === null) return undefined;
    const loaded = readSession(asPairs(reply));
    // A store that has lost the list gets it back as sessions are used.
    void this.#index.note([id], ttlMs, loaded === undefined ? [] : listEntries(loaded.session));
    return loaded;
  }

  async peek(id: string): Promise<LoadedSession | undefined> {
    return readSession(asPairs(await this.#commands.command('HGETALL', this.#keys.session(id))));
  }

  async touch(ids: readonly string[], ttlMs: number): Promise<readonly string[]> {
    const gone: string[] = [];
    for (let start = 0; start < ids.length; start += TOUCH_BATCH) {
      const batch = ids.slice(start, start + TOUCH_BATCH);
      const touches = batch.map(async (id) => {
        const reply = await this.#commands.command('PEXPIRE', this.#keys.session(id), ttlMs);
        if (reply === 0) gone.push(id);
      });
      await Promise.all([...touches, this.#index.note(batch, ttlMs)]);
    }
    return gone;
  }

  async unload(id: string, nodeId: string): Promise<boolean> {
    const args = [nodeField(nodeId), FIELD.node];
    return (await this.#commands.run('unloadSession-1', [this.#keys.session(id)], args)) === 1;
  }

  async setLogLevel(id: string, level: string): Promise<void> {
    await this.#setField(id, FIELD.logLevel, level);
  }

  async setSubscription(id: string, serverId: string, uri: string, on: boolean): Promise<void> {
    const field = subscriptionField(serverId, uri);
    if (on) await this.#setField(id, field, '1');
    else await this.#commands.command('HDEL', this.#keys.session(id), field);
  }

  async claimLink(
    id: string,
    link: StoredLink,
    replaces: StoredLink | undefined,
  ): Promise<StoredLink | undefined> {
    const args = [
      linkField(link.serverId),
      writeLink(link),
      replaces === undefined ? '' : linkLine(replaces),
    ];
    const reply = await this.#commands.run('claimLink-1', [this.#keys.session(id)], args);
    const stored = asOptionalString(reply);
    return stored === undefined ? undefined : readLink(stored);
  }

  async dropLink(id: string, serverId: string): Promise<void> {
    await this.#commands.command('HDEL', this.#keys.session(id), linkField(serverId));
  }

  async delete(id: string): Promise<EndedSession | undefined> {
    const reply = await this.#commands.run('deleteSession-3', this.#keysOf(id), []);
    if (reply === null) return undefined;
    void this.#index.drop([id]);
    return this.#ended(reply);
  }

  retire(withinMs: number, limit: number): Promise<readonly EndedSession[]> {
    return this.#index.sweep(withinMs, limit, async (id): Promise<Outcome<EndedSession>> => {
      const reply = await this.#commands.run('retireSession-3', this.#keysOf(id), [withinMs, READABLE]);
      if (typeof reply === 'number') return { leftMs: reply };
      const ended = reply === null ? undefined : this.#ended(reply);
      return ended === undefined ? 'gone' : { ended };
    });
  }

  list(of: SessionsOf, after: string | undefined, limit: number): Promise<SessionList> {
    return this.#list.list(of, after, limit);
  }

  find(tenantId: string, mark: string): Promise<ListedSession | undefined> {
    return this.#list.find(tenantId, mark);
  }

  async nodesOf(id: string): Promise<readonly string[]> {
    const fields = asArray(await this.#commands.command('HKEYS', this.#keys.session(id)));
    return readNodes(fields.map(asString));
  }

  #ended(reply: unknown): EndedSession | undefined {
    const ended = readEnded(reply);
    if (ended !== undefined) void this.#list.drop(ended.loaded.session);
    return ended;
  }

  #keysOf(id: string): [string, string, string] {
    return [this.#keys.session(id), this.#keys.events(id), this.#keys.calls(id)];
  }

  async #setField(id: string, field: string, value: string): Promise<void> {
    await this.#commands.run('setSessionField-1', [this.#keys.session(id)], [field, value]);
  }
}

function readEnded(reply: unknown): EndedSession | undefined {
  const fields = asPairs(reply);
  const loaded = readSession(fields);
  return loaded && { nodes: readNodes(fields.map(([field]) => field)), loaded };
}
