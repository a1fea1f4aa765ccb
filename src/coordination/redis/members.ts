import { z } from 'zod';
import { type Keys, MEMBER_GONE_MS } from '../keys.ts';
import type { Member, Members } from '../members.ts';
import type { Commands } from './commands.ts';
import { asArray, asNumber, asPairs } from './replies.ts';

const MemberRecord = z.object({
  id: z.string(),
  address: z.string(),
  version: z.string(),
  started: z.string(),
  sessions: z.number(),
  streams: z.number(),
  state: z.enum(['joining', 'ready', 'draining', 'gone']),
});

/** By the clock of Redis alone: clocks of nodes may differ. */
export class RedisMembers implements Members {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async beat(member: Member, ttlMs: number): Promise<void> {
    const args = [member.id, JSON.stringify(member), ttlMs, MEMBER_GONE_MS];
    await this.#commands.run('beat-2', [this.#keys.members, this.#keys.beats], args);
  }

  async leave(nodeId: string): Promise<void> {
    await this.#commands.run('leave-1', [this.#keys.beats], [nodeId]);
  }

  async list(): Promise<readonly Member[]> {
    const reply = await this.#commands.run('listMembers-2', [this.#keys.members, this.#keys.beats], []);
    const [time, described, beats] = asArray(reply);
    const now = asNumber(time);
    const aliveUntil = new Map(asPairs(beats).map(([id, until]) => [id, Number(until)]));
    const members: Member[] = [];
    for (const [id, json] of asPairs(described)) {
      // What a later version has written and this one cannot read is left out.
      const member = MemberRecord.safeParse(JSON.parse(json)).data;
      const until = aliveUntil.get(id) ?? 0;
      if (member === undefined || until <= now - MEMBER_GONE_MS) continue;
      members.push(until > now ? member : { ...member, state: 'gone' });
    }
    return members.sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async isAlive(nodeId: string): Promise<boolean> {
    return (await this.#commands.run('isAlive-1', [this.#keys.beats], [nodeId])) === 1;
  }
}
