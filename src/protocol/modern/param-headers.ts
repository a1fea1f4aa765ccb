import { isObject, own, type Params } from '../envelope.ts';
import { decodeHeaderValue, encodeHeaderValue } from './header-value.ts';
import { differs, type HeaderValues, headerOf, mismatch } from './headers.ts';

const PREFIX = 'mcp-param-';

/** One argument of a tool that is repeated in a header (2026-07-28, tools: x-mcp-header). */
export interface ParamHeader {
  /** Keys from the arguments down to the value. */
  readonly path: readonly string[];
  /** `Mcp-Param-…`, as the tool writes it. */
  readonly header: string;
  /** The same in lower case. */
  readonly key: string;
  readonly isInteger: boolean;
}

const ANNOTATION = 'x-mcp-header';

const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** Where a schema holds other schemas, beside `properties`: an annotation in there has no place in the arguments. */
const SCHEMAS = [
  'additionalItems',
  'additionalProperties',
  'allOf',
  'anyOf',
  'contains',
  'contentSchema',
  'else',
  'if',
  'items',
  'not',
  'oneOf',
  'prefixItems',
  'propertyNames',
  'then',
  'unevaluatedItems',
  'unevaluatedProperties',
];
const MAPS_OF_SCHEMAS = ['$defs', 'definitions', 'dependencies', 'dependentSchemas', 'patternProperties'];

/** Whether a tool's text may declare any: for the many that do not, no schema is walked. */
export function mayHaveParamHeaders(toolText: string): boolean {
  return toolText.includes(ANNOTATION);
}

/**
 * What a tool's `inputSchema` says of headers, or, as text, why it is invalid: a tool that says it wrongly is not listed
 * and not called over HTTP (2026-07-28, transports: Schema Extension).
 */
export function readParamHeaders(inputSchema: unknown): readonly ParamHeader[] | string {
  const found: ParamHeader[] = [];
  const names = new Set<string>();
  const stack: { readonly schema: unknown; readonly path: readonly string[] | undefined }[] = [
    { schema: inputSchema, path: [] },
  ];
  for (let next = stack.pop(); next !== undefined; next = stack.pop()) {
    const { schema, path } = next;
    if (!isObject(schema)) continue;
    if (Object.hasOwn(schema, ANNOTATION)) {
      const read = readOne(schema, path);
      if (typeof read === 'string') return read;
      if (names.has(read.key)) return `"${ANNOTATION}" has ${quoted(read.header.slice(PREFIX.length))} twice`;
      names.add(read.key);
      found.push(read);
    }
    const properties = own(schema, 'properties');
    if (isObject(properties)) {
      for (const [key, each] of Object.entries(properties)) {
        stack.push({ schema: each, path: path && [...path, key] });
      }
    }
    for (const each of elsewhere(schema)) stack.push({ schema: each, path: undefined });
  }
  return found;
}

/**
 * Checks the `Mcp-Param-*` headers of a call against its arguments. An argument that is not there, or is null, asks for
 * none; one that is no primitive is for the tool to refuse. Throws HeaderMismatch.
 */
export function checkParamHeaders(
  declared: readonly ParamHeader[],
  args: unknown,
  headers: HeaderValues,
): void {
  for (const param of declared) {
    const value = valueAt(args, param.path);
    const text = primitiveText(value);
    if (text === undefined) continue;
    const header = headerOf(headers, param.key);
    if (header === undefined) throw mismatch(`the ${param.header} header is missing`);
    const decoded = decodeHeaderValue(header);
    if (decoded === undefined)
      throw mismatch(`the ${param.header} header is not written as a header value can be`);
    if (decoded !== text && !(param.isInteger && sameNumber(decoded, value)))
      throw differs(param.header, decoded, text);
  }
}

/** The `Mcp-Param-*` headers of a call to a server, names and values in turn, made from the arguments that it carries. */
export function paramHeaders(declared: readonly ParamHeader[], args: unknown): string[] {
  const headers: string[] = [];
  for (const param of declared) {
    const text = primitiveText(valueAt(args, param.path));
    if (text !== undefined) headers.push(param.header, encodeHeaderValue(text));
  }
  return headers;
}

/**
 * `Mcp-Param-*` headers of a request that the tool does not declare, names and values in turn: who stands between two
 * passes them on (2026-07-28, transports: Server Behavior for Custom Headers).
 */
export function undeclaredParamHeaders(declared: readonly ParamHeader[], headers: HeaderValues): string[] {
  const passed: string[] = [];
  for (const name in headers) {
    if (!name.startsWith(PREFIX) || declared.some(({ key }) => key === name)) continue;
    const value = headerOf(headers, name);
    if (value !== undefined) passed.push(name, value);
  }
  return passed;
}

function readOne(schema: Params, path: readonly string[] | undefined): ParamHeader | string {
  if (path === undefined || path.length === 0)
    return `"${ANNOTATION}" stands where no argument can be found by a chain of "properties"`;
  const at = quoted(path.join('.'));
  const name = own(schema, ANNOTATION);
  if (typeof name !== 'string' || !TOKEN.test(name)) return `"${ANNOTATION}" of ${at} is no header name`;
  const type = own(schema, 'type');
  if (type !== 'string' && type !== 'integer' && type !== 'boolean')
    return `"${ANNOTATION}" of ${at} is on a value that is no string, integer or boolean`;
  const header = `Mcp-Param-${name}`;
  return { path, header, key: header.toLowerCase(), isInteger: type === 'integer' };
}

function* elsewhere(schema: Params): Iterable<unknown> {
  for (const keyword of SCHEMAS) {
    const value = own(schema, keyword);
    if (Array.isArray(value)) yield* value;
    else yield value;
  }
  for (const keyword of MAPS_OF_SCHEMAS) {
    const value = own(schema, keyword);
    if (isObject(value)) yield* Object.values(value);
  }
}

function valueAt(args: unknown, path: readonly string[]): unknown {
  let value = args;
  for (const key of path) {
    if (!isObject(value)) return undefined;
    value = own(value, key);
  }
  return value;
}

/** Undefined for what no header repeats; an integer that a double cannot hold among it, since nobody knows its digits. */
function primitiveText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'boolean') return String(value);
  if (typeof value !== 'number' || !Number.isFinite(value)) return undefined;
  return Number.isInteger(value) && !Number.isSafeInteger(value) ? undefined : String(value);
}

/** `42.0` and `42` are one number; what only JavaScript takes for a number is none. */
function sameNumber(header: string, value: unknown): boolean {
  return /^-?\d+(\.\d+)?$/.test(header) && Number(header) === value;
}

function quoted(text: string): string {
  return JSON.stringify(text.slice(0, 128));
}
