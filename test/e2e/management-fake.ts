import { randomUUID } from 'node:crypto';
import { type Owner, ownerKey, type Principal, type Role } from '../../src/auth/principal.ts';
import type { SeenEntries, ServerHealth, ServerManager, TestReport } from '../../src/catalog/types.ts';
import type { ServerRecord } from '../../src/db/server-record.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import { until } from '../support/wait.ts';

const NOTHING_SEEN: SeenEntries = { tools: [], resources: [], resourceTemplates: [], prompts: [] };

/** Servers in memory, with what a test says of them. */
export class FakeServers implements ServerManager {
  readonly records = new Map<string, ServerRecord>();
  readonly seenOf = new Map<string, SeenEntries>();
  readonly healthOf = new Map<string, ServerHealth>();
  report: TestReport = { ok: false, error: 'not set', latencyMs: 1 };
  /** Thrown by refresh and seen. */
  failure: Error | undefined;
  /** What `test` waits for before it answers. */
  gate: Promise<unknown> = Promise.resolve();
  testsUnderWay = 0;
  /** Called at the start of each update, when it has been worked out. */
  beforeUpdate: (() => Promise<void>) | undefined;
  updates = 0;
  #ordinal = 0;

  #owned(owner: Owner): ServerRecord[] {
    return [...this.records.values()].filter((record) => ownerKey(record.owner) === ownerKey(owner));
  }

  #checkName(owner: Owner, name: string, except?: string): void {
    if (this.#owned(owner).some((record) => record.name === name && record.id !== except)) {
      throw new GatewayError(Code.AlreadyExists, `A server named "${name}" exists`, {
        fields: [{ field: 'name', description: 'is taken' }],
      });
    }
  }

  create: ServerManager['create'] = async (owner, spec) => {
    this.#checkName(owner, spec.name);
    this.#ordinal += 1;
    const now = new Date();
    const record: ServerRecord = {
      ...structuredClone(spec),
      id: randomUUID(),
      owner: { tenantId: owner.tenantId, userId: owner.userId },
      ordinal: this.#ordinal,
      revision: 1,
      createdAt: now,
      updatedAt: now,
    };
    this.records.set(record.id, record);
    return record;
  };

  get: ServerManager['get'] = async (owner, id) => {
    const record = this.#owned(owner).find((candidate) => candidate.id === id);
    if (record === undefined) throw new GatewayError(Code.NotFound, `No server has the id "${id}"`);
    return record;
  };

  findByName: ServerManager['findByName'] = async (owner, name) => {
    const record = this.#owned(owner).find((candidate) => candidate.name === name);
    if (record === undefined) throw new GatewayError(Code.NotFound, `No server is named "${name}"`);
    return record;
  };

  page: ServerManager['page'] = async (owner, { pageSize, pageToken }) => {
    const all = this.#owned(owner);
    const start = Number(pageToken ?? 0);
    if (!Number.isInteger(start)) {
      throw new GatewayError(Code.InvalidArgument, 'page_token is not one of ours', {
        fields: [{ field: 'page_token', description: 'is not one of ours' }],
      });
    }
    const end = start + pageSize;
    return {
      items: all.slice(start, end),
      total: all.length,
      ...(end < all.length ? { nextPageToken: String(end) } : {}),
    };
  };

  update: ServerManager['update'] = async (owner, id, patch) => {
    this.updates += 1;
    await this.beforeUpdate?.();
    await this.get(owner, id);
    // From here on in one turn, as a database does it in one statement.
    const record = this.records.get(id)!;
    if (patch.revision !== undefined && patch.revision !== record.revision)
      throw new GatewayError(Code.Conflict, 'changed in the meantime');
    if (patch.name !== undefined) this.#checkName(owner, patch.name, id);
    if (patch.target?.kind === 'http' && patch.target.url.includes('refused')) {
      throw new GatewayError(Code.InvalidArgument, 'This URL is refused', {
        fields: [{ field: 'url', description: 'is refused' }],
      });
    }
    const { name = record.name, target = record.target, enabled = record.enabled } = patch;
    const { toolPrefix: _prefix, timeouts: _timeouts, toolTimeouts: _toolTimeouts, ...stored } = record;
    const updated: ServerRecord = {
      ...stored,
      ...{ name, target, enabled },
      ...changed('toolPrefix', patch.toolPrefix, record.toolPrefix),
      ...changed('timeouts', patch.timeouts, record.timeouts),
      ...changed('toolTimeouts', patch.toolTimeouts, record.toolTimeouts),
      revision: record.revision + 1,
      updatedAt: new Date(),
    };
    this.records.set(id, updated);
    return updated;
  };

  delete: ServerManager['delete'] = async (owner, id) => {
    await this.get(owner, id);
    this.records.delete(id);
  };

  test: ServerManager['test'] = async (owner, id) => {
    await this.get(owner, id);
    this.testsUnderWay += 1;
    await this.gate;
    this.testsUnderWay -= 1;
    return this.report;
  };

  refresh: ServerManager['refresh'] = async (owner, id, signal) => await this.seen(owner, id, signal);

  seen: ServerManager['seen'] = async (owner, id) => {
    await this.get(owner, id);
    if (this.failure !== undefined) throw this.failure;
    return this.seenOf.get(id) ?? NOTHING_SEEN;
  };

  health: ServerManager['health'] = async ({ id }) =>
    this.healthOf.get(id) ?? { state: 'unknown', breaker: 'closed' };

  async untilTestUnderWay(): Promise<void> {
    await until(() => this.testsUnderWay > 0, { what: 'a test under way' });
  }
}

/** A field that a patch changes, sets back with null, or leaves as it is. */
function changed<K extends string, V>(
  key: K,
  patched: V | null | undefined,
  stored: V | undefined,
): { [P in K]?: V } {
  const value = patched === undefined ? stored : (patched ?? undefined);
  return value === undefined ? {} : ({ [key]: value } as { [P in K]?: V });
}

/** The user is who the `x-user` header says, so that tests can be two; an admin unless `x-role` says `user`; nobody with `x-nobody`. */
export async function principalOfTestHeader(headers: Headers): Promise<Principal> {
  if (headers.has('x-nobody'))
    throw new GatewayError(Code.Unauthenticated, 'Who are you?', { challenge: 'Bearer realm="test"' });
  const roles: readonly Role[] = headers.get('x-role') === 'user' ? ['user'] : ['admin', 'user'];
  const tenantId = headers.get('x-tenant') ?? 'default';
  return { tenantId, userId: headers.get('x-user') ?? 'local', roles };
}
