import { z } from 'zod';
import type { Kind } from './kinds.ts';

/** Headings of the documentation, in its order. */
export const GROUPS = [
  'Profile',
  'Addresses',
  'Storage',
  'Authentication',
  'Security',
  'Servers',
  'Limits',
  'Time limits',
  'Events',
  'Telemetry',
  'Logs',
] as const;

export interface About {
  /** Name in the environment and in profile files. */
  readonly env: string;
  readonly group: (typeof GROUPS)[number];
  /** What it does, in sentences of Markdown. */
  readonly description: string;
  /** What is accepted, to follow the word "expected". */
  readonly accepts: string;
  /** The default as it would be written in the environment; absent: none. */
  readonly default?: string;
  /** Shown in place of a default that differs from one start to the next, or depends on other settings. */
  readonly defaultNote?: string;
  /** The value is never printed. */
  readonly secret: boolean;
}

type Told = Pick<About, 'group' | 'description'> & { readonly secret?: boolean };

const registry = z.registry<About>();

/** A setting with a default, given as text or made at each start. */
export function setting<T>(
  env: string,
  kind: Kind<T>,
  about: Told &
    ({ readonly default: string } | { readonly makeDefault: () => string; readonly defaultNote: string }),
): z.ZodPrefault<z.ZodType<T, string>> {
  const text = 'makeDefault' in about ? about.makeDefault : about.default;
  const schema = z.prefault(kind.schema, text);
  const shown = 'makeDefault' in about ? { defaultNote: about.defaultNote } : { default: about.default };
  registry.add(schema, { env, accepts: kind.accepts, ...told(about), ...shown });
  return schema;
}

/** A setting that may be left out. `defaultNote`: what is done without it. */
export function optionalSetting<T>(
  env: string,
  kind: Kind<T>,
  about: Told & { readonly defaultNote?: string },
): z.ZodPipe<z.ZodOptional<z.ZodType<T, string>>, z.ZodTransform<T | undefined, T | undefined>> {
  // The transform keeps the key in the output although it is absent from the input: configuration is complete.
  const schema = z.optional(kind.schema).transform((value) => value);
  const shown = about.defaultNote === undefined ? {} : { defaultNote: about.defaultNote };
  registry.add(schema, { env, accepts: kind.accepts, ...told(about), ...shown });
  return schema;
}

function told(about: Told): Pick<About, 'group' | 'description' | 'secret'> {
  return { group: about.group, description: about.description, secret: about.secret ?? false };
}

/** What was said of a setting where it was declared. */
export function aboutOf(schema: z.ZodType): About {
  const about = registry.get(schema);
  if (about === undefined) throw new Error('A setting is declared with setting() or optionalSetting()');
  return about;
}
