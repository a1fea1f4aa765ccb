import type { Keys } from '../keys.ts';
import { FENCE_TTL_MS } from '../keys.ts';
import type { Lease, Leases } from '../leases.ts';
import type { Commands } from './commands.ts';
import { asArray, asNumber, asOptionalString, asString } from './replies.ts';

export class RedisLeases implements Leases {
  readonly #commands: Commands;
  readonly #keys: Keys;

  constructor(commands: Commands, keys: Keys) {
    this.#commands = commands;
    this.#keys = keys;
  }

  async acquire(resource: string, nodeId: string, ttlMs: number): Promise<Lease> {
    const keys: [string, string] = [this.#keys.lease(resource), this.#keys.fence(resource)];
    const [owner, token] = asArray(
      await this.#commands.run('acquireLease-2', keys, [nodeId, ttlMs, FENCE_TTL_MS]),
    );
    return { owner: asString(owner), token: asNumber(token) };
  }

  async renew(resource: string, lease: Lease, ttlMs: number): Promise<boolean> {
    const args = [lease.owner, lease.token, ttlMs];
    return (await this.#commands.run('renewLease-1', [this.#keys.lease(resource)], args)) === 1;
  }

  async release(resource: string, lease: Lease): Promise<void> {
    await this.#commands.run('releaseLease-1', [this.#keys.lease(resource)], [lease.owner, lease.token]);
  }

  async holder(resource: string): Promise<Lease | undefined> {
    const reply = await this.#commands.command('HMGET', this.#keys.lease(resource), 'owner', 'token');
    const [held, token] = asArray(reply);
    const owner = asOptionalString(held);
    return owner === undefined ? undefined : { owner, token: asNumber(token) };
  }
}
