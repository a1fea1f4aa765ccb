import { z } from 'zod';
import type { Condition } from './condition.ts';
import { readRules } from './reading.ts';
import { patterns, selectors } from './selectors.ts';

const annotations = z
  .strictObject({
    readOnly: z.boolean().optional(),
    destructive: z.boolean().optional(),
    idempotent: z.boolean().optional(),
    openWorld: z.boolean().optional(),
  })
  .refine((given) => Object.keys(given).length > 0, { message: 'expected at least one annotation' });

const ruleSchema = z
  .strictObject({
    ...selectors,
    effect: z.enum(['allow', 'deny']),
    prompts: patterns.optional(),
    resources: patterns.optional(),
    annotations: annotations.optional(),
    when: z.string().min(1).max(4096).optional(),
  })
  .superRefine((rule, context) => {
    for (const only of ['annotations', 'when'] as const) {
      if (rule[only] === undefined) continue;
      for (const other of ['prompts', 'resources'] as const) {
        if (rule[other] !== undefined)
          context.addIssue({ code: 'custom', path: [only], message: `is of tools, and excludes ${other}` });
      }
    }
  });

const policySchema = z.strictObject({
  default: z.enum(['allow', 'deny']).default('allow'),
  rules: z.array(ruleSchema).max(1000).readonly(),
});

/** A rule as it is configured. */
export type PolicyRule = z.output<typeof ruleSchema>;

/** A rule, ready to be applied. */
export interface Rule extends PolicyRule {
  /** As people call it. */
  readonly label: string;
  /** Of a rule with `when`. */
  readonly condition?: Condition;
}

/** Who may use what, as it is configured. Conditions have not been looked at yet. */
export type PolicySettings = Readonly<z.output<typeof policySchema>>;

/** Reads a policy from its JSON. Answers what is wrong, with the rule and its member, where something is. */
export function readPolicy(text: string): PolicySettings | { readonly problem: string } {
  return readRules(text, policySchema);
}
