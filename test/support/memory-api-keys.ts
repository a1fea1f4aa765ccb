import { ownerKey } from '../../src/auth/principal.ts';
import type { ApiKeyRecord, ApiKeyRepository, StoredApiKey } from '../../src/db/api-key-record.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';

/** API keys in memory, with what a test says of the database they stand for. */
export class MemoryApiKeys implements ApiKeyRepository {
  readonly stored = new Map<string, StoredApiKey>();
  readonly used: string[] = [];
  /** Thrown by what asks the database. */
  failure: Error | undefined;
  finds = 0;
  /** What `find` waits for after it has looked. */
  gate: Promise<unknown> = Promise.resolve();

  create: ApiKeyRepository['create'] = async ({ tenantId, userId }, key) => {
    const stored = { ...key, owner: { tenantId, userId }, createdAt: new Date() };
    this.stored.set(key.id, stored);
    return shown(stored);
  };

  find: ApiKeyRepository['find'] = async (id) => {
    this.finds += 1;
    const { failure } = this;
    const found = this.stored.get(id);
    await this.gate;
    if (failure !== undefined) throw failure;
    return found;
  };

  page: ApiKeyRepository['page'] = async (owner, { pageSize }) => {
    const items = [...this.stored.values()].filter((key) => ownerKey(key.owner) === ownerKey(owner));
    return { items: items.slice(0, pageSize).map(shown), total: items.length };
  };

  revoke: ApiKeyRepository['revoke'] = async (tenantId, userId, id) => {
    const found = this.stored.get(id);
    if (found?.owner.tenantId !== tenantId || (userId !== undefined && found.owner.userId !== userId))
      throw new GatewayError(Code.NotFound, 'There is no such API key');
    const revoked = { ...found, revokedAt: found.revokedAt ?? new Date() };
    this.stored.set(id, revoked);
    return shown(revoked);
  };

  noteUse: ApiKeyRepository['noteUse'] = async (id) => {
    this.used.push(id);
  };
}

function shown({ hash: _, ...record }: StoredApiKey): ApiKeyRecord {
  return record;
}
