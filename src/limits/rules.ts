import { createHash } from 'node:crypto';
import { z } from 'zod';
import { labelOf, readRules } from '../policy/reading.ts';
import { selectors } from '../policy/selectors.ts';

/** Whom a limit is counted for, each by itself. */
const SCOPES = ['user', 'tenant', 'server', 'tool', 'everybody'] as const;

const MAX_CALLS = 1_000_000_000;
/** About a year. */
const MAX_SECONDS = 366 * 86_400;
const MAX_AT_ONCE = 1_000_000;

const ruleSchema = z
  .strictObject({
    ...selectors,
    per: z.enum(SCOPES).default('user'),
    calls: z.int().min(1).max(MAX_CALLS).optional(),
    seconds: z.number().min(1).max(MAX_SECONDS).optional(),
    atOnce: z.int().min(1).max(MAX_AT_ONCE).optional(),
  })
  .superRefine((rule, context) => {
    const wrong = (path: string[], message: string) => context.addIssue({ code: 'custom', path, message });
    if (rule.calls === undefined && rule.atOnce === undefined) wrong([], 'expected calls or atOnce, or both');
    if (rule.calls !== undefined && rule.seconds === undefined) wrong(['seconds'], 'is missing beside calls');
    if (rule.calls === undefined && rule.seconds !== undefined) wrong(['calls'], 'is missing beside seconds');
  });

const limitsSchema = z.strictObject({ rules: z.array(ruleSchema).max(1000).readonly() });

/** A rule as it is configured. */
type LimitRule = z.output<typeof ruleSchema>;

/** How much whom may do, as it is configured. */
export type LimitSettings = Readonly<z.output<typeof limitsSchema>>;

/** A rule, ready to be applied. */
export interface Limit extends LimitRule {
  /** As people call it. */
  readonly label: string;
  /** The same on all nodes that are configured alike, wherever the rule stands. */
  readonly id: string;
}

/** Reads limits from their JSON. Answers what is wrong, with the rule and its member, where something is. */
export function readLimits(text: string): LimitSettings | { readonly problem: string } {
  return readRules(text, limitsSchema);
}

/** Rules that are word for word the same count each for itself, as all others do. */
export function limitsOf({ rules }: LimitSettings): readonly Limit[] {
  const seen = new Map<string, number>();
  return rules.map((rule, index) => {
    const text = JSON.stringify(Object.entries(rule).sort(([a], [b]) => (a < b ? -1 : 1)));
    const before = seen.get(text) ?? 0;
    seen.set(text, before + 1);
    return { ...rule, label: rule.name ?? labelOf(rule, index), id: digest([text, before]) };
  });
}

/** Of bounded length, and without what it is made of. */
export function digest(parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('base64url').slice(0, 32);
}
