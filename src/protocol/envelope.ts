import { Code, GatewayError } from './errors.ts';
import {
  arrayElements,
  depthExceeds,
  locate,
  type Outline,
  outlineOf,
  type Span,
  splice,
} from './json-text.ts';

/** A JSON-RPC id as MCP allows it: never null. */
export type Id = string | number;

export type Params = Readonly<Record<string, unknown>>;

interface Parsed {
  /** The message's own text, exactly as received. */
  readonly text: string;
  /** Of this text, or of one that it was made from; see {@link replaceAt}. */
  readonly outline?: MessageOutline;
}

export interface RequestMessage extends Parsed {
  readonly kind: 'request';
  readonly id: Id;
  readonly method: string;
  readonly params: Params | undefined;
  /** Headers that say which trace it is part of, names and values in turn, for where there are headers. */
  readonly traced?: readonly string[];
}

export interface NotificationMessage extends Parsed {
  readonly kind: 'notification';
  readonly method: string;
  readonly params: Params | undefined;
}

export interface ResponseMessage extends Parsed {
  readonly kind: 'response';
  readonly id: Id;
  readonly result: unknown;
  readonly error: unknown;
}

export type Message = RequestMessage | NotificationMessage | ResponseMessage;

const BAD_ID = '"id" must be a string or an integer of at most 53 bits';

/** An InvalidRequest that still knows which request it answers. */
export class InvalidMessage extends GatewayError {
  readonly id: Id | null;
  constructor(reason: string, id: Id | null) {
    super(Code.InvalidRequest, `Invalid Request: ${reason}`);
    this.id = id;
  }
}

/** What stands where in a text. */
interface MessageOutline extends Omit<Outline, 'isTooDeep'> {
  readonly text: string;
}

/** JSON text to a value. Throws ParseError, or InvalidRequest where it nests deeper than `maxDepth`. */
export function parseJson(text: string, maxDepth: number): unknown {
  if (depthExceeds(text, maxDepth)) {
    throw tooDeep(maxDepth);
  }
  return jsonValue(text);
}

function jsonValue(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new GatewayError(Code.ParseError, 'Parse error: the body is not valid JSON', { cause });
  }
}

/** One message. Throws ParseError and InvalidMessage. */
export function parseMessage(text: string, maxDepth: number): Message {
  const outline = outlineOf(text, maxDepth);
  if (outline.isTooDeep) throw tooDeep(maxDepth);
  // What is no object has no outline.
  return classify(isObjectText(text) ? jsonValue(text) : parseJson(text, maxDepth), text, outline);
}

/** The body of a POST: one message, or the messages of a batch. */
export function parseBody(text: string, maxDepth: number): Message | Message[] {
  if (isObjectText(text)) return parseMessage(text, maxDepth);
  const value = parseJson(text, maxDepth);
  if (!Array.isArray(value)) throw notAnObject();
  if (value.length === 0) throw new InvalidMessage('an empty batch', null);
  return arrayElements(text).map((span, index) => {
    const own = text.slice(span.start, span.end);
    return classify(value[index], own, outlineOf(own, maxDepth));
  });
}

function isObjectText(text: string): boolean {
  return /^\s*\{/.test(text);
}

function tooDeep(maxDepth: number): InvalidMessage {
  return new InvalidMessage(`nested deeper than ${maxDepth} levels`, null);
}

function notAnObject(): InvalidMessage {
  return new InvalidMessage('a message must be an object', null);
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Of numbers only integers that a double holds exactly: any other would be answered under an id that nobody asked with. */
export function isId(value: unknown): value is Id {
  return typeof value === 'string' || Number.isSafeInteger(value);
}

function classify(value: unknown, text: string, { members, params: inner }: Outline): Message {
  if (!isObject(value)) throw notAnObject();
  const id = own(value, 'id');
  const known = isId(id) ? id : null;
  if (members === undefined) throw new InvalidMessage('a member stands twice', known);
  if (own(value, 'jsonrpc') !== '2.0') throw new InvalidMessage('"jsonrpc" must be "2.0"', known);
  const method = own(value, 'method');
  if (method === undefined) return classifyResponse(value, text, members, known);
  if (typeof method !== 'string') throw new InvalidMessage('"method" must be a string', known);
  const params = own(value, 'params');
  if (params !== undefined && !isObject(params))
    throw new InvalidMessage('"params" must be an object', known);
  if (!members.has('id')) return { kind: 'notification', method, params, text };
  if (known === null) throw new InvalidMessage(BAD_ID, null);
  const outline = { text, members, params: inner };
  return { kind: 'request', id: known, method, params, text, outline };
}

function classifyResponse(
  value: Readonly<Record<string, unknown>>,
  text: string,
  members: ReadonlyMap<string, unknown>,
  id: Id | null,
): ResponseMessage {
  if (members.has('result') === members.has('error')) {
    throw new InvalidMessage('neither a request, a notification nor a response', id);
  }
  if (id === null) throw new InvalidMessage(BAD_ID, null);
  return { kind: 'response', id, result: own(value, 'result'), error: own(value, 'error'), text };
}

/** A member of the object itself; a `__proto__` in the text is such a member and nothing more. */
export function own(value: Readonly<Record<string, unknown>>, key: string): unknown {
  return Object.hasOwn(value, key) ? value[key] : undefined;
}

/** A string member of params, or InvalidParams naming it. */
export function stringParam(params: Params | undefined, key: string): string {
  const value = params === undefined ? undefined : own(params, key);
  if (typeof value !== 'string')
    throw new GatewayError(Code.InvalidParams, `Invalid params: "${key}" must be a string`);
  return value;
}

/** The message's text with one value replaced, found by its path of keys; undefined where the path is missing or a key on it stands twice. */
export function replaceAt(
  message: { readonly text: string; readonly outline?: MessageOutline },
  path: readonly string[],
  replacement: string,
): string | undefined {
  const { text, outline } = message;
  const span = outline?.text === text ? spanIn(outline, path) : locate(text, path);
  return span === undefined ? undefined : splice(message.text, span, replacement);
}

/** As {@link locate}, with nothing looked at twice. */
function spanIn({ text, members, params }: MessageOutline, path: readonly string[]): Span | undefined {
  const [first = '', second, ...rest] = path;
  if (second === undefined) return members?.get(first);
  if (first !== 'params' || rest.length > 0) return locate(text, path);
  return params?.get(second);
}

/** The text of a response with a result that is JSON text already. */
export function resultText(id: Id, resultJson: string): string {
  return `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":${resultJson}}`;
}

/** What stands before and after the JSON of a result in its response, as bytes. */
export function resultFrame(id: Id): [Buffer, Buffer] {
  return [Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":`), Buffer.from('}')];
}

export function errorText(id: Id | null, code: number, message: string, data?: unknown): string {
  return JSON.stringify({
    jsonrpc: '2.0',
    id,
    error: { code, message, ...(data === undefined ? {} : { data }) },
  });
}

export function notificationText(method: string, params?: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', method, ...(params === undefined ? {} : { params }) });
}

export function requestText(id: Id, method: string, params?: unknown): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method, ...(params === undefined ? {} : { params }) });
}
