import type { Mutant } from './mutant.ts';

const OTHERS = "one's use never counts as another's";
const SUM = 'limits hold in sum over nodes';
const SHARE = 'nobody costs others more than the own share';

const limits = 'test/security/limits.test.ts';
const admission = 'src/admission/admission.test.ts';

/** Limits and overload: what one costs the others. */
export const LIMITS: readonly Mutant[] = [
  {
    promise: OTHERS,
    name: 'users of a tenant have their calls counted together',
    file: 'src/limits/limits.ts',
    find: 'return digest([id, tenantId, userId]);',
    replace: 'return digest([id, tenantId]);',
    test: limits,
    only: 'counts users for themselves',
  },
  {
    promise: OTHERS,
    name: 'tenants have their calls counted together',
    file: 'src/limits/limits.ts',
    find: 'return digest([id, tenantId]);',
    replace: 'return digest([id]);',
    test: limits,
    only: 'counts users for themselves',
  },
  {
    promise: SUM,
    name: 'each node counts for itself',
    file: 'src/limits/tokens.ts',
    find: 'if (this.#shared === undefined || this.#shared.isAway) {',
    replace: "if (this.#id !== '') {",
    test: 'src/limits/limits.test.ts',
    only: 'nodes let in together what one would',
  },
  {
    promise: SHARE,
    name: 'one has as many under way as it likes',
    file: 'src/admission/admission.ts',
    find: "if (load.inFlight >= Math.ceil(maxInFlightOfOne * reserve)) return 'principal_full';",
    replace: '',
    test: admission,
    only: 'one principal may have so many',
  },
  {
    promise: SHARE,
    name: 'users of one name are one in all tenants',
    file: 'src/admission/admission.ts',
    find: 'let users = this.#tenants.get(tenantId);',
    replace: 'let [users] = this.#tenants.values();',
    test: admission,
    only: 'users of the same name are others in another tenant',
  },
];
