import type { ApiKeyScope } from '../db/api-key-record.ts';
import type { Barred, Face } from './identity.ts';
import { type Role, rolesOf } from './principal.ts';

const USER = rolesOf([]);
const ADMIN = rolesOf(['admin']);

export function scopeRoles(scopes: readonly ApiKeyScope[]): readonly Role[] {
  return scopes.includes('admin') ? ADMIN : USER;
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
