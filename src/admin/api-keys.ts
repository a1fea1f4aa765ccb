import { create } from '@bufbuild/protobuf';
import { timestampDate, timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { ApiKeyManager } from '../auth/api-keys.ts';
import type { Owner, Principal, Role } from '../auth/principal.ts';
import type { ApiKeyRecord, ApiKeyScope } from '../db/api-key-record.ts';
import {
  type ApiKey,
  ApiKeySchema,
  ApiKey_Scope as Scope,
} from '../gen/dragon/turnstile/api/v1/api_key_pb.ts';
import type { TurnstileService } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { callerOf, requireAdmin } from './caller.ts';
import { toPageRequest } from './pages.ts';

type ApiKeyMethods = Pick<
  ServiceImpl<typeof TurnstileService>,
  'createApiKey' | 'listApiKeys' | 'revokeApiKey'
>;

/** The part of the management API that is about API keys. */
export function createApiKeyMethods(keys: ApiKeyManager): ApiKeyMethods {
  return {
    async createApiKey({ name, scopes: given, roles, expireTime, userId }, context: HandlerContext) {
      const caller = callerOf(context);
      requireMaker(caller, roles);
      const scopes = given.length === 0 ? (['mcp'] as const) : toScopes(given);
      if (scopes.includes('admin')) requireAdmin(caller, 'make an API key of an admin');
      const owner = ownerAsked(caller, userId, 'make API keys for others');
      const ending = expireTime === undefined ? {} : { expiresAt: timestampDate(expireTime) };
      const { record, key } = await keys.create(owner, { name, scopes, roles, ...ending });
      return { apiKey: toMessage(record), key };
    },

    async listApiKeys(request, context: HandlerContext) {
      const owner = ownerAsked(callerOf(context), request.userId, 'list the API keys of others');
      const page = await keys.page(owner, toPageRequest(request));
      return {
        apiKeys: page.items.map(toMessage),
        nextPageToken: page.nextPageToken ?? '',
        totalSize: page.total,
      };
    },

    async revokeApiKey({ id }, context: HandlerContext) {
      const { tenantId, userId, roles } = callerOf(context);
      // To a user the key of another is as unknown as one that never was.
      const revoked = await keys.revoke(tenantId, roles.includes('admin') ? undefined : userId, id);
      return { apiKey: toMessage(revoked) };
    },
  };
}

/**
 * Roles are an admin's to give. And who was given a key with some is not to get rid of them, nor to have them for longer, by
 * a further key.
 */
function requireMaker(caller: Principal, roles: readonly Role[]): void {
  if (roles.length > 0) requireAdmin(caller, 'give roles to an API key');
  const isBound = caller.keyId !== undefined && caller.roles.some((role) => role !== 'user');
  if (isBound) requireAdmin(caller, 'make API keys with a key that has roles');
}

/** The caller, or the user of the same tenant that an admin names. */
function ownerAsked(caller: Principal, userId: string, what: string): Owner {
  const { tenantId } = caller;
  if (userId === '' || userId === caller.userId) return { tenantId, userId: caller.userId };
  requireAdmin(caller, what);
  return { tenantId, userId };
}

const SCOPES: Readonly<Record<ApiKeyScope, Scope>> = {
  mcp: Scope.MCP,
  manage: Scope.MANAGE,
  admin: Scope.ADMIN,
};

function toScopes(given: readonly Scope[]): readonly ApiKeyScope[] {
  const names = Object.keys(SCOPES) as ApiKeyScope[];
  return names.filter((name) => given.includes(SCOPES[name]));
}

function toMessage(record: ApiKeyRecord): ApiKey {
  const { expiresAt, revokedAt, lastUsedAt } = record;
  return create(ApiKeySchema, {
    id: record.id,
    name: record.name,
    userId: record.owner.userId,
    scopes: record.scopes.map((scope) => SCOPES[scope]),
    roles: [...record.roles],
    createTime: timestampFromDate(record.createdAt),
    ...(expiresAt === undefined ? {} : { expireTime: timestampFromDate(expiresAt) }),
    ...(revokedAt === undefined ? {} : { revokeTime: timestampFromDate(revokedAt) }),
    ...(lastUsedAt === undefined ? {} : { lastUseTime: timestampFromDate(lastUsedAt) }),
  });
}
