import { CLUSTER } from './cluster.ts';
import { CREDENTIALS } from './credentials.ts';
import { INPUT } from './input.ts';
import { LIMITS } from './limits.ts';
import { LOGINS } from './logins.ts';
import type { Mutant } from './mutant.ts';
import { NETWORKS } from './networks.ts';
import { OWNERS } from './owners.ts';
import { POLICY } from './policy.ts';
import { SECRETS } from './secrets.ts';
import { SHARING } from './sharing.ts';

/** All of them, in the order of SECURITY.md's promises. */
export const MUTANTS: readonly Mutant[] = [
  ...CREDENTIALS,
  ...OWNERS,
  ...SHARING,
  ...SECRETS,
  ...NETWORKS,
  ...LOGINS,
  ...POLICY,
  ...INPUT,
  ...LIMITS,
  ...CLUSTER,
];
