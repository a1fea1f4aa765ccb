import { z } from 'zod';
import type { Principal } from '../auth/principal.ts';
import { globMatches } from '../protocol/glob.ts';

/** Globs: `*` is any run of characters, `?` any one. */
export const patterns = z.array(z.string().min(1).max(512)).min(1).readonly();
const names = z.array(z.string().min(1).max(256)).min(1).readonly();

/** What a rule is called, and whom it is about. */
export const selectors = {
  name: z.string().min(1).max(128).optional(),
  tenants: patterns.optional(),
  users: patterns.optional(),
  roles: names.optional(),
  exceptRoles: names.optional(),
  servers: patterns.optional(),
  tools: patterns.optional(),
};

interface Concerning {
  readonly tenants?: readonly string[] | undefined;
  readonly users?: readonly string[] | undefined;
  readonly roles?: readonly string[] | undefined;
  readonly exceptRoles?: readonly string[] | undefined;
}

/** Whether a rule is about somebody. */
export function concerns(rule: Concerning, { tenantId, userId, roles }: Principal): boolean {
  return (
    isOneOf(rule.tenants, tenantId) &&
    isOneOf(rule.users, userId) &&
    (rule.roles === undefined || rule.roles.some((role) => roles.includes(role))) &&
    !(rule.exceptRoles ?? []).some((role) => roles.includes(role))
  );
}

/** Absent patterns match every name. */
export function isOneOf(patterns: readonly string[] | undefined, name: string): boolean {
  return patterns === undefined || patterns.some((pattern) => globMatches(pattern, name));
}
