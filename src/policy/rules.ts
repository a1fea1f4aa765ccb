import { z } from 'zod';
import type { Condition } from './condition.ts';

/** Globs: `*` is any run of characters, `?` any one. */
const patterns = z.array(z.string().min(1).max(512)).min(1).readonly();
const names = z.array(z.string().min(1).max(256)).min(1).readonly();

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
    name: z.string().min(1).max(128).optional(),
    effect: z.enum(['allow', 'deny']),
    tenants: patterns.optional(),
    users: patterns.optional(),
    roles: names.optional(),
    exceptRoles: names.optional(),
    servers: patterns.optional(),
    tools: patterns.optional(),
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
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    return { problem: `it is not JSON: ${error instanceof Error ? error.message : error}` };
  }
  const parsed = policySchema.safeParse(json);
  if (parsed.success) return Object.freeze(parsed.data);
  const [issue] = parsed.error.issues;
  const path = issue?.path ?? [];
  return { problem: `${placeOf(path, json)}: ${issue?.message}` };
}

/** What a rule is called where people read of it: by its name, or by its place. */
export function labelOf({ name }: Pick<PolicyRule, 'name'>, index: number): string {
  return name === undefined ? `rule ${index + 1}` : `rule ${index + 1} (${name})`;
}

function placeOf([list, index, ...rest]: readonly PropertyKey[], json: unknown): string {
  if (list !== 'rules' || typeof index !== 'number') return list === undefined ? 'it' : String(list);
  const rules: unknown = Reflect.get(Object(json), 'rules');
  const rule: unknown = Array.isArray(rules) ? rules[index] : undefined;
  const name: unknown = Reflect.get(Object(rule), 'name');
  const label = labelOf(typeof name === 'string' ? { name: name.slice(0, 128) } : {}, index);
  return rest.length === 0 ? label : `${label}, ${rest.map(String).join('.')}`;
}
