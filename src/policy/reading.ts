import type { z } from 'zod';

/** Reads rules from their JSON. Answers what is wrong, with the rule and its member, where something is. */
export function readRules<T extends object>(
  text: string,
  schema: z.ZodType<T>,
): Readonly<T> | { readonly problem: string } {
  let json: unknown;
  try {
    json = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    return { problem: `it is not JSON: ${error instanceof Error ? error.message : error}` };
  }
  const parsed = schema.safeParse(json);
  if (parsed.success) return Object.freeze(parsed.data);
  const [issue] = parsed.error.issues;
  const path = issue?.path ?? [];
  return { problem: `${placeOf(path, json)}: ${issue?.message}` };
}

/** What a rule is called where people read of it: by its name, or by its place. */
export function labelOf({ name }: { readonly name?: string | undefined }, index: number): string {
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
