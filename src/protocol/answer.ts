import { type Id, isObject, own } from './envelope.ts';

/** Up to this size an answer is parsed whole to be sure of it; beyond, its two ends have to do. */
const FULL_CHECK_BYTES = 4096;
const EDGE_BYTES = 160;

const VERSION = '"jsonrpc":"2.0"';

/** Bytes of an answer as they are best passed on: as text where they have to be read as such anyway. */
export function asAnswer(body: Buffer): string | Buffer {
  return body.length > FULL_CHECK_BYTES ? body : body.toString('utf8');
}

/**
 * Whether this is the JSON-RPC answer to `id`. Undefined when it is; otherwise what is wrong, for people. A large answer is
 * not parsed: it must look like one object whose id stands at its beginning or end, as every serialiser in use puts it;
 * where it does not, it is parsed after all.
 */
export function answerProblem(body: string | Buffer, id: Id): string | undefined {
  if (body.length === 0) return 'an empty body';
  if (body.length > FULL_CHECK_BYTES && edgesMatch(body, id)) return undefined;
  return problemOfText(typeof body === 'string' ? body : body.toString('utf8'), id);
}

function problemOfText(text: string, id: Id): string | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return `something that is not JSON, beginning with ${preview(text)}`;
  }
  if (!isObject(value) || Object.hasOwn(value, 'result') === Object.hasOwn(value, 'error')) {
    return 'JSON that is not a JSON-RPC response';
  }
  const error = own(value, 'error');
  if (error !== undefined && !isErrorObject(error)) return 'an error without a code and a message';
  const got = own(value, 'id');
  if (got === id) return undefined;
  return `a response to another request (id ${JSON.stringify(got)?.slice(0, 40)} in place of ${JSON.stringify(id)})`;
}

/** The error of a JSON-RPC response: clients refuse one without a whole number for a code and a text. */
export function isErrorObject(value: unknown): boolean {
  return isObject(value) && Number.isInteger(own(value, 'code')) && typeof own(value, 'message') === 'string';
}

/** Only at the very edges: an `"id":1` a little further inside may be one of the result's own. */
function edgesMatch(body: string | Buffer, id: Id): boolean {
  const part = (from: number, to?: number) =>
    typeof body === 'string' ? body.slice(from, to) : body.toString('latin1', from, to);
  const head = part(0, EDGE_BYTES).trimStart();
  const tail = part(body.length - EDGE_BYTES).trimEnd();
  if (!head.startsWith('{') || !tail.endsWith('}')) return false;
  const member = `"id":${JSON.stringify(id)}`;
  return (
    head.startsWith(`{${VERSION},${member},`) ||
    head.startsWith(`{${member},`) ||
    tail.endsWith(`,${member}}`) ||
    tail.endsWith(`,${member},${VERSION}}`)
  );
}

/**
 * Whether the text begins as nothing but a result does, in the forms that serialisers in use give it. Of an id that stands behind
 * the result this says nothing: see {@link answerProblem}.
 */
export function isPlainResult(text: string, id: Id): boolean {
  return text.startsWith(`{${VERSION},"id":${JSON.stringify(id)},"result":`) || text.startsWith('{"result":');
}

/**
 * Whether a large message, of which only the beginning is there, can be taken for the answer to `id`: its result or error
 * begins before any method, and an id that stands before is the right one.
 */
export function beginsAnswer(head: string, id: Id): boolean {
  const body = /"(?:result|error)"\s*:/.exec(head)?.index;
  if (body === undefined || !head.trimStart().startsWith('{')) return false;
  const before = head.slice(0, body);
  if (before.includes('"method"')) return false;
  const given = /"id"\s*:\s*("(?:[^"\\]|\\.)*"|[^\s,]+)/.exec(before)?.[1];
  return given === undefined || given === JSON.stringify(id);
}

/** The beginning of an unexpected text, short and printable. */
export function preview(text: string): string {
  return JSON.stringify(text.slice(0, 60).replaceAll(/[^\x20-\x7e]+/g, ' '));
}
