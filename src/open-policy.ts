import { Policy } from './policy/policy.ts';
import type { PolicySettings } from './policy/rules.ts';
import { Code, GatewayError } from './protocol/errors.ts';

/** The policy of a gateway. Rejects with FailedPrecondition, naming the setting and the rule, for a condition that is none. */
export async function openPolicy(settings: PolicySettings): Promise<Policy> {
  try {
    return await Policy.of(settings);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
    throw new GatewayError(Code.FailedPrecondition, `DRAGON_POLICY: ${error.message}`);
  }
}
