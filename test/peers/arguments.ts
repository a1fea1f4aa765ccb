import { type Schema, sample } from './react.ts';

/** A tool as far as calling it needs. */
export interface Tool {
  readonly name: string;
  readonly inputSchema: Schema;
  readonly execution?: { readonly taskSupport?: string };
}

export type Arguments = Readonly<Record<string, unknown>>;

const URL_ELICITATION = { url: 'https://example.com/', message: 'Open it', elicitationId: 'e-1' };

/** Where a schema does not say what makes sense: what would reach the network, take long, or depend on the call before. */
const GIVEN: Readonly<Record<string, readonly Arguments[]>> = {
  'gzip-file-as-resource': [
    { name: 'a.gz', data: 'data:text/plain,some%20text', outputType: 'resource' },
    { name: 'b.gz', data: 'data:text/plain,some%20text', outputType: 'resourceLink' },
  ],
  'trigger-long-running-operation': [{ duration: 0.2, steps: 4 }],
  // Its first call in error mode answers with an error that names a URL, the second one asks.
  'trigger-url-elicitation': [
    URL_ELICITATION,
    { ...URL_ELICITATION, errorPath: true },
    { ...URL_ELICITATION, errorPath: true },
  ],
};

/** Arguments to call a tool with: without and with what is optional, and each choice that it has. */
export function argumentSets({ name, inputSchema }: Tool): readonly Arguments[] {
  const given = GIVEN[name];
  if (given !== undefined) return given;
  const { properties = {}, required = [] } = inputSchema;
  const all = Object.fromEntries(Object.entries(properties).map(([key, schema]) => [key, sample(schema)]));
  const least = Object.fromEntries(required.map((key) => [key, all[key]]));
  const choices = Object.entries(properties).flatMap(([key, schema]) =>
    choicesOf(schema).map((choice) => ({ ...least, [key]: choice })),
  );
  const sets = [least, all, ...choices].map((set) => JSON.stringify(set));
  return [...new Set(sets)].map((set) => JSON.parse(set));
}

/** Arguments that no tool takes: an object where it wants something else. */
export function wrongArguments({ inputSchema }: Tool): Arguments {
  return Object.fromEntries(Object.keys(inputSchema.properties ?? {}).map((key) => [key, {}]));
}

function choicesOf(schema: Schema): readonly unknown[] {
  return schema.type === 'boolean' ? [false, true] : (schema.enum ?? []);
}
