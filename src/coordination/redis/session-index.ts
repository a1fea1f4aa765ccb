import type { Keys } from '../keys.ts';
import type { Commands } from './commands.ts';
import { asArray, asNumber, asString } from './replies.ts';

/** What became of a session whose time seemed to have come. */
export type Outcome<T> = { readonly ended: T } | { readonly leftMs: number } | 'gone';

/**
 * When sessions are forgotten unless they are used, for all of them. Only a hint: on a Redis Cluster a session is on
 * another server than this, so what stands here may be late or missing. A use is not noted with each touch, which would
 * be a write for each session in use every few seconds: it is found out when the time has come that was noted first.
 */
export class SessionIndex {
  readonly #commands: Commands;
  readonly #key: string;
  readonly #list: string;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#key = keys.sessionIndex;
    this.#list = keys.sessionList;
  }

  /**
   * Notes sessions that are not noted yet, with what the list of sessions is to have of them. Never rejects: what is missing
   * here is missed by nobody but the tidy.
   */
  async note(ids: readonly string[], ttlMs: number, listed: readonly string[] = []): Promise<void> {
    const args = [ttlMs, listed.length, ...listed, ...ids];
    await this.#commands.run('indexSessions-2', [this.#key, this.#list], args).catch(ignore);
  }

  async drop(ids: readonly [string, ...string[]]): Promise<void> {
    await this.#commands.command('ZREM', this.#key, ...ids).catch(ignore);
  }

  /**
   * Tries to end those that may be forgotten within `withinMs`, until `limit` have ended or none is left. Rejects with
   * Unavailable where nothing has ended.
   */
  async sweep<T>(
    withinMs: number,
    limit: number,
    end: (id: string) => Promise<Outcome<T>>,
  ): Promise<readonly T[]> {
    const ended: T[] = [];
    try {
      while (ended.length < limit && (await this.#sweepSome(withinMs, limit, end, ended)));
    } catch (error) {
      if (ended.length === 0) throw error;
    }
    return ended;
  }

  /** Resolves with whether there may be more. */
  async #sweepSome<T>(
    withinMs: number,
    limit: number,
    end: (id: string) => Promise<Outcome<T>>,
    ended: T[],
  ): Promise<boolean> {
    const reply = await this.#commands.run('overdueSessions-1', [this.#key], [withinMs, limit]);
    const [time, members] = asArray(reply);
    const ids = asArray(members).map(asString);
    const over: string[] = [];
    const used: (string | number)[] = [];
    let failure: unknown;
    const sweeps = ids.map(async (id) => {
      try {
        const outcome = await end(id);
        if (outcome === 'gone') over.push(id);
        else if ('leftMs' in outcome) used.push(asNumber(time) + outcome.leftMs, id);
        else {
          over.push(id);
          ended.push(outcome.ended);
        }
      } catch (error) {
        failure = error;
      }
    });
    await Promise.all(sweeps);
    const [first, ...rest] = over;
    if (first !== undefined) await this.drop([first, ...rest]);
    if (used.length > 0) await this.#commands.command('ZADD', this.#key, 'XX', ...used);
    if (failure !== undefined) throw failure;
    return ids.length === limit;
  }
}

function ignore(): void {}
