import type { ApiKeyScope } from '../db/api-key-record.ts';
import type { Barred, Face } from './identity.ts';
import type { Role } from './principal.ts';

const USER: readonly Role[] = Object.freeze(['user'] as const);
const ADMIN: readonly Role[] = Object.freeze(['admin', 'user'] as const);

export function rolesOf(scopes: readonly ApiKeyScope[]): readonly Role[] {
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
