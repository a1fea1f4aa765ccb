import { z } from 'zod';
import type { ListKind } from '../protocol/cursor.ts';
import type { RawEntry } from './types.ts';

const text = z.string().optional();
const schema = z.looseObject({
  type: z.literal('object'),
  properties: z.record(z.string(), z.looseObject({})).optional(),
  required: z.array(z.string()).optional(),
});
const common = {
  name: z.string(),
  title: text,
  description: text,
  icons: z
    .array(z.looseObject({ src: z.string(), mimeType: text, sizes: z.array(z.string()).optional() }))
    .optional(),
  _meta: z.looseObject({}).optional(),
};
const content = {
  ...common,
  mimeType: text,
  annotations: z
    .looseObject({
      audience: z.array(z.enum(['user', 'assistant'])).optional(),
      priority: z.number().min(0).max(1).optional(),
    })
    .optional(),
};
const hint = z.boolean().optional();

/** The entries of each list as clients expect them (2025-11-25, schema), as far as clients are known to check. */
const ENTRIES: Readonly<Record<ListKind, z.ZodObject>> = {
  tools: z.looseObject({
    ...common,
    inputSchema: schema,
    // From 2026-07-28 on it may be any other, which clients of before are not shown.
    outputSchema: schema.or(z.looseObject({}).refine(({ type }) => type !== 'object')).optional(),
    annotations: z
      .looseObject({
        title: text,
        readOnlyHint: hint,
        destructiveHint: hint,
        idempotentHint: hint,
        openWorldHint: hint,
      })
      .optional(),
    execution: z
      .looseObject({ taskSupport: z.enum(['required', 'optional', 'forbidden']).optional() })
      .optional(),
  }),
  resources: z.looseObject({ ...content, uri: z.string(), size: z.number().optional() }),
  resourceTemplates: z.looseObject({ ...content, uriTemplate: z.string() }),
  prompts: z.looseObject({
    ...common,
    arguments: z.array(z.looseObject({ name: z.string(), description: text, required: hint })).optional(),
  }),
};

/**
 * What is wrong with an entry, for people; undefined where nothing is. A client that checks its lists refuses a whole
 * list over one wrong entry: passed on, one server's mistake would cost its users the tools of all the others.
 */
export function entryProblem(list: ListKind, entry: RawEntry): string | undefined {
  const [issue] = ENTRIES[list].safeParse(entry).error?.issues ?? [];
  return issue === undefined ? undefined : `${issue.path.join('.')}: ${issue.message}`;
}
