import type { Allowances, Taken } from '../allowances.ts';
import type { Keys } from '../keys.ts';
import type { Rate } from '../token-bucket.ts';
import type { Commands } from './commands.ts';
import { asArray, asNumber } from './replies.ts';

export class RedisAllowances implements Allowances {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async take(id: string, rate: Rate, want: number, back: number): Promise<Taken> {
    const args = [rate.calls, rate.periodMs, want, back];
    const [count, waitMs] = asArray(await this.#commands.run('takeTokens-1', [this.#keys.tokens(id)], args));
    return { count: asNumber(count), waitMs: asNumber(waitMs) };
  }

  async hold(id: string, atOnce: number, nodeId: string, count: number, ttlMs: number): Promise<number> {
    const args = [atOnce, nodeId, count, ttlMs];
    return asNumber(await this.#commands.run('holdSlots-1', [this.#keys.slots(id)], args));
  }
}
