import { MEMBER_GONE_MS } from '../keys.ts';
import type { Member, Members } from '../members.ts';
import type { MemoryHub } from './hub.ts';

export class MemoryMembers implements Members {
  readonly #hub: MemoryHub;

  constructor(hub: MemoryHub) {
    this.#hub = hub;
  }

  async beat(member: Member, ttlMs: number): Promise<void> {
    const now = Date.now();
    this.#hub.members.set(member.id, { member: structuredClone(member), aliveUntil: now + ttlMs });
    for (const [id, { aliveUntil }] of this.#hub.members) {
      if (aliveUntil < now - MEMBER_GONE_MS) this.#hub.members.delete(id);
    }
  }

  async leave(nodeId: string): Promise<void> {
    const record = this.#hub.members.get(nodeId);
    if (record !== undefined) this.#hub.members.set(nodeId, { ...record, aliveUntil: Date.now() });
  }

  async list(): Promise<readonly Member[]> {
    const now = Date.now();
    return [...this.#hub.members.values()]
      .filter(({ aliveUntil }) => aliveUntil > now - MEMBER_GONE_MS)
      .map(({ member, aliveUntil }) =>
        aliveUntil > now ? { ...member } : { ...member, state: 'gone' as const },
      )
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  async isAlive(nodeId: string): Promise<boolean> {
    return (this.#hub.members.get(nodeId)?.aliveUntil ?? 0) > Date.now();
  }
}
