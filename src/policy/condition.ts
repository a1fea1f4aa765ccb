import type { CelInput } from '@bufbuild/cel';

/** What a condition may look at. */
interface Facts {
  readonly tenant: string;
  readonly user: string;
  readonly roles: readonly string[];
  readonly server: string;
  readonly tool: string;
  /** Arguments of the call, as JSON. */
  readonly args: unknown;
}

/** Whether a condition is met; undefined where it comes to no answer, such as where it asks for an argument that is missing. */
export type Condition = (facts: Facts) => boolean | undefined;

/** Reads an expression of CEL. Throws SyntaxError for what is none. */
export type ReadCondition = (expression: string) => Condition;

/** Loaded where some rule has a condition: the start without it is faster. */
export async function loadConditions(): Promise<ReadCondition> {
  const { CelScalar, celEnv, listType, mapType, parse, plan } = await import('@bufbuild/cel');
  const { strings } = await import('@bufbuild/cel/ext');
  const variables = {
    tenant: CelScalar.STRING,
    user: CelScalar.STRING,
    roles: listType(CelScalar.STRING),
    server: CelScalar.STRING,
    tool: CelScalar.STRING,
    args: mapType(CelScalar.STRING, CelScalar.DYN),
  };
  const env = celEnv({ variables, funcs: strings });
  return (expression) => {
    const parsed = parse(expression);
    const unknown = unboundNames(parsed.expr).find(
      (name) => !Object.hasOwn(variables, name) && !TYPES.has(name),
    );
    if (unknown !== undefined)
      throw new SyntaxError(`there is no ${unknown}; there are ${Object.keys(variables).join(', ')}`);
    const run = plan(env, parsed);
    return ({ args, roles, ...names }) => {
      const result = run({ ...names, roles: [...roles], args: mapOf(args) });
      return typeof result === 'boolean' ? result : undefined;
    };
  };
}

/** CEL's own names, that stand for types. */
const TYPES: ReadonlySet<string> = new Set([
  'bool',
  'bytes',
  'double',
  'duration',
  'dyn',
  'int',
  'list',
  'map',
  'null_type',
  'string',
  'timestamp',
  'type',
  'uint',
]);

/** Names in an expression that no part of it gives a meaning, as `x` has one in `args.list.exists(x, x > 1)`. */
function unboundNames(expression: unknown): readonly string[] {
  const used = new Set<string>();
  const bound = new Set<string>();
  const look = (node: unknown): void => {
    if (Array.isArray(node)) return node.forEach(look);
    if (typeof node !== 'object' || node === null) return;
    const { case: kind, value }: { case?: unknown; value?: unknown } = node;
    if (kind === 'identExpr') used.add(textIn(value, 'name'));
    if (kind === 'comprehensionExpr')
      for (const name of ['iterVar', 'iterVar2', 'accuVar']) bound.add(textIn(value, name));
    Object.values(node).forEach(look);
  };
  look(expression);
  return [...used].filter((name) => !bound.has(name));
}

function textIn(value: unknown, name: string): string {
  return String(Reflect.get(Object(value), name));
}

/** JSON in the types of CEL: `__proto__` is a key as any other there. Arguments that are no object are none. */
function mapOf(args: unknown): Map<string, CelInput> {
  const isMap = typeof args === 'object' && args !== null && !Array.isArray(args);
  return new Map(isMap ? Object.entries(args).map(([key, value]) => [key, inputOf(value)]) : []);
}

/** No deeper than a request may nest. */
function inputOf(value: unknown): CelInput {
  if (Array.isArray(value)) return value.map(inputOf);
  if (typeof value === 'object' && value !== null) return mapOf(value);
  return value as CelInput;
}
