import { z } from 'zod';
import { type Keys, MEMBER_GONE_MS } from '../keys.ts';
import type { Member, Members } from '../members.ts';
import type { Commands } from './commands.ts';
import { asArray, asNumber, asPairs } from './replies.ts';

const RECORD_VERSION = 1;

const MemberRecord = z.object({
  // Nodes that do not write it yet write this form.
  v: z.literal(RECORD_VERSION).exactOptional(),
  id: z.string(),
  address: z.string(),
  version: z.string(),
  started: z.string(),
  sessions: z.number(),
  streams: z.number(),
  state: z.enum(['joining', 'ready', 'draining', 'gone']),
  clockAheadMs: z.number().exactOptional(),
});

/**
 * By the clock of Redis alone: clocks of nodes may differ. While Redis is away nobody can be heard, and for a moment
 * after it is back few have been: until each has had the time, the others count as they were before.
 */
export class RedisMembers implements Members {
  readonly #commands: Commands;
  readonly #keys: Keys;
  /** This node's last beat that was heard: when by the clock of Redis, and by its own (`performance.now()`). */
  #heard: { readonly at: number; readonly sentAt: number } | undefined;
  /** By the clock of Redis, when this node was heard no more; undefined while all is well. */
  #lostAt: number | undefined;
  #calm: NodeJS.Timeout | undefined;
  #clockAheadMs: number | undefined;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async beat(member: Member, ttlMs: number): Promise<void> {
    const clock = this.#clockAheadMs === undefined ? {} : { clockAheadMs: this.#clockAheadMs };
    const record = JSON.stringify({ v: RECORD_VERSION, ...member, ...clock });
    const args = [member.id, record, ttlMs, MEMBER_GONE_MS];
    const sentAt = performance.now();
    try {
      const reply = await this.#commands.run('beat-2', [this.#keys.members, this.#keys.beats], args);
      const at = asNumber(reply);
      this.#heard = { at, sentAt };
      // The answer was made about in the middle of the time that it took.
      this.#clockAheadMs = Math.round(Date.now() - (performance.now() - sentAt) / 2 - at);
    } catch (error) {
      this.#lost(sentAt, ttlMs);
      throw error;
    }
    if (this.#lostAt === undefined || this.#calm !== undefined) return;
    this.#calm = setTimeout(() => {
      this.#lostAt = undefined;
      this.#calm = undefined;
    }, ttlMs);
    this.#calm.unref();
  }

  async leave(nodeId: string): Promise<void> {
    await this.#commands.run('leave-1', [this.#keys.beats], [nodeId]);
  }

  async list(): Promise<readonly Member[]> {
    const reply = await this.#commands.run('listMembers-2', [this.#keys.members, this.#keys.beats], []);
    const [time, described, beats] = asArray(reply);
    const now = asNumber(time);
    const aliveAt = this.#lostAt ?? now;
    const aliveUntil = new Map(asPairs(beats).map(([id, until]) => [id, Number(until)]));
    const members: Member[] = [];
    for (const [id, json] of asPairs(described)) {
      // What a later version has written and this one cannot read is left out.
      const record = MemberRecord.safeParse(JSON.parse(json)).data;
      const until = aliveUntil.get(id) ?? 0;
      if (record === undefined || until <= now - MEMBER_GONE_MS) continue;
      const { v: _, ...member } = record;
      members.push(until > aliveAt ? member : { ...member, state: 'gone' });
    }
    return members.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async isAlive(nodeId: string): Promise<boolean> {
    const args = this.#lostAt === undefined ? [nodeId] : [nodeId, this.#lostAt];
    return (await this.#commands.run('isAlive-1', [this.#keys.beats], args)) === 1;
  }

  /** A beat was not heard. One that comes long after the last says nothing of the time between. */
  #lost(sentAt: number, ttlMs: number): void {
    clearTimeout(this.#calm);
    this.#calm = undefined;
    if (this.#heard !== undefined) {
      this.#lostAt ??= this.#heard.at + Math.min(sentAt - this.#heard.sentAt, ttlMs / 2);
    }
  }
}
