import type { ApiKeyRecord, ApiKeyScope } from '../db/api-key-record.ts';
import type { Barred, Face } from './identity.ts';
import { type Role, rolesOf } from './principal.ts';

/** Those of whoever shows a key: that it is an admin's is for its scopes to say, and for nothing else. */
export function rolesOfKey({ scopes, roles }: Pick<ApiKeyRecord, 'scopes' | 'roles'>): readonly Role[] {
  const own = roles.filter((role) => role !== 'admin');
  return rolesOf(scopes.includes('admin') ? ['admin', ...own] : own);
}

/** What a key of these scopes does not open. There is nobody whom a client could ask for a larger key. */
export function barredBy(scopes: readonly ApiKeyScope[]): Partial<Record<Face, Barred>> {
  const mayManage = scopes.includes('manage') || scopes.includes('admin');
  return {
    ...(scopes.includes('mcp') ? {} : { mcp: lacking('mcp') }),
    ...(mayManage ? {} : { management: lacking('manage') }),
  };
}

function lacking(scope: ApiKeyScope): Barred {
  return { message: `This API key has not the scope ${scope}`, scopes: [] };
}
