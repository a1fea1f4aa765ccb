import type { Mutant } from './mutant.ts';

const SHARED = 'what an admin shares is there for those it is shared with, and for nobody else';
const OWN = "log-ins to what is shared are each user's own";

const sharing = 'test/security/shared-servers.test.ts';
const logins = 'test/contract/db-logins.test.ts';

/** What an admin shares in a tenant. */
export const SHARING: readonly Mutant[] = [
  {
    promise: SHARED,
    name: 'what is shared with a role is shared with all',
    file: 'src/catalog/lent-servers.ts',
    find: "return 'tenant' in sharing || sharing.roles.some((role) => roles.includes(role));",
    replace: 'return true;',
    test: sharing,
    only: 'are there for those they are shared with',
  },
  {
    promise: SHARED,
    name: 'what is shared is shared with all tenants',
    file: 'src/db/all-servers.ts',
    find: 'and(eq(servers.tenantId, tenantId), isNotNull(servers.sharedWith))',
    replace: 'isNotNull(servers.sharedWith)',
    test: sharing,
    only: 'are there for those they are shared with',
  },
  {
    promise: SHARED,
    name: 'what is shared with others can be asked for by its id',
    file: 'src/catalog/registry.ts',
    find: "(roles.includes('admin') ? managedBy(principal, shared).find(isIt) : undefined)",
    replace: 'managedBy(principal, shared).find(isIt)',
    test: sharing,
    only: 'look to all others as if they had never been',
  },
  {
    promise: SHARED,
    name: 'everybody changes what is shared',
    file: 'src/catalog/manager.ts',
    find: 'if (record.sharedWith !== undefined || patch.sharedWith !== undefined) requireSharer(principal.roles);',
    replace: '',
    test: sharing,
    only: 'are shown without secrets, and changed by admins alone',
  },
  {
    promise: SHARED,
    name: 'everybody shares what is the own',
    file: 'src/catalog/manager.ts',
    find: ' || patch.sharedWith !== undefined',
    replace: '',
    test: sharing,
    only: 'are shown without secrets, and changed by admins alone',
  },
  {
    promise: SHARED,
    name: 'everybody sees all of what is shared',
    file: 'src/admin/server-message.ts',
    find: "lender === undefined || viewer.roles.includes('admin') ? record.target : outline(record.target);",
    replace: 'record.target;',
    test: sharing,
    only: 'are shown without secrets, and changed by admins alone',
  },
  {
    promise: OWN,
    name: 'a shared server has one id for all',
    file: 'src/downstream/server-id.ts',
    find: "createHash('sha256').update(ownerKey(user)).digest('base64url').slice(0, 22)",
    replace: "'all'",
    test: sharing,
    only: 'are logged in to by each for themselves',
  },
  {
    promise: OWN,
    name: 'tokens are kept for a server that is not the own',
    file: 'src/db/login-repository.ts',
    find: 'eq(servers.tenantId, tenantId), isTheirs',
    replace: 'isTheirs',
    test: logins,
    only: 'in embedded PostgreSQL has nothing of a server for others',
  },
  {
    promise: OWN,
    name: 'tokens are those of anybody who uses a server',
    file: 'src/db/login-repository.ts',
    find: 'eq(table.tenantId, tenantId), eq(table.userId, userId), condition',
    replace: 'condition',
    test: logins,
    only: 'in embedded PostgreSQL has nothing of a server for others',
  },
];
