/**
 * Finding one's way in JSON text without building objects. A relay changes one name in a message and must leave
 * every other byte as it was: numbers beyond 2^53, key order, unknown fields. So it looks for the span of a value
 * and splices. All functions take text that `JSON.parse` has accepted, but for those that say that they take any.
 */

/** A half-open range of UTF-16 code units: the text of one value. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const COMMA = 0x2c;
const COLON = 0x3a;
const OPEN_BRACE = 0x7b;
const CLOSE_BRACE = 0x7d;
const OPEN_BRACKET = 0x5b;
const CLOSE_BRACKET = 0x5d;

/** Where the members of an object stand, by key. */
export type Members = ReadonlyMap<string, Span>;

/**
 * The members of the object whose text starts at or after `from`, by key. Returns undefined when a key stands twice:
 * two readers may then see two different messages, which is how a request is smuggled past a check.
 */
export function objectMembers(text: string, from = 0): Members | undefined {
  const { members, isTwice } = readMembers(text, from, Infinity, undefined);
  return isTwice ? undefined : members;
}

/** What one look at a message's text tells. */
export interface Outline {
  /** Undefined where a key stands twice. */
  readonly members: Members | undefined;
  /** The members of the object at `params`; undefined where there is none, or a key in it stands twice. */
  readonly params: Members | undefined;
  /** Arrays and objects nest deeper than the limit: the rest was not looked at. */
  readonly isTooDeep: boolean;
}

/**
 * Looks through the text of an object once, for all that is asked of a message later. Takes any text; what it says means
 * something where the text is JSON.
 */
export function outlineOf(text: string, limit: number): Outline {
  const { members, isTwice, isTooDeep, inner } = readMembers(text, 0, limit, 'params');
  const params = isTwice || inner === undefined || inner.isTwice ? undefined : inner.members;
  return { members: isTwice ? undefined : members, params, isTooDeep };
}

interface ReadMembers {
  readonly members: Map<string, Span>;
  isTwice: boolean;
  isTooDeep: boolean;
  /** Where the object ends. */
  end: number;
  inner: ReadMembers | undefined;
}

/** `innerKey`: the member whose own members are read with it. */
function readMembers(text: string, from: number, limit: number, innerKey: string | undefined): ReadMembers {
  const members = new Map<string, Span>();
  const read: ReadMembers = { members, isTwice: false, isTooDeep: limit < 1, end: from, inner: undefined };
  let at = skipSpace(text, from);
  if (text.charCodeAt(at) !== OPEN_BRACE) return read;
  at = skipSpace(text, at + 1);
  while (at < text.length && text.charCodeAt(at) !== CLOSE_BRACE) {
    const keyEnd = stringEnd(text, at);
    const key = decodeKey(text, at, keyEnd);
    at = skipSpace(text, keyEnd);
    if (text.charCodeAt(at) === COLON) at = skipSpace(text, at + 1);
    let end: number;
    if (key === innerKey && text.charCodeAt(at) === OPEN_BRACE) {
      const inner = readMembers(text, at, limit - 1, undefined);
      if (inner.isTooDeep) read.isTooDeep = true;
      end = inner.end;
      read.inner = inner;
    } else {
      end = valueEnd(text, at, limit - 1);
      if (end === TOO_DEEP) read.isTooDeep = true;
    }
    if (read.isTooDeep) return read;
    if (members.has(key)) read.isTwice = true;
    members.set(key, { start: at, end });
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  read.end = at + 1;
  return read;
}

/** Where the value at a path of keys stands; undefined where there is none, or where a key on the way stands twice. */
export function locate(text: string, path: readonly string[]): Span | undefined {
  let span: Span | undefined;
  for (const key of path) {
    span = objectMembers(text, span?.start ?? 0)?.get(key);
    if (span === undefined) return undefined;
  }
  return span;
}

/** The elements of the array whose text starts at or after `from`. */
export function arrayElements(text: string, from = 0): Span[] {
  const at = skipSpace(text, from);
  return text.charCodeAt(at) === OPEN_BRACKET ? [...streamElements(text, at)] : [];
}

/**
 * Where the value of a key begins in the object whose text starts at or after `from`, without a look at what comes behind;
 * undefined where there is none. Takes any text, and of two members of one name the first.
 */
export function memberAt(text: string, from: number, key: string): number | undefined {
  let at = skipSpace(text, from);
  if (text.charCodeAt(at) !== OPEN_BRACE) return undefined;
  at = skipSpace(text, at + 1);
  while (text.charCodeAt(at) === QUOTE) {
    const keyEnd = stringEnd(text, at);
    const isIt = decodeKey(text, at, keyEnd) === key;
    at = skipSpace(text, keyEnd);
    if (text.charCodeAt(at) !== COLON) return undefined;
    at = skipSpace(text, at + 1);
    if (isIt) return at;
    at = skipSpace(text, valueEnd(text, at));
    if (text.charCodeAt(at) === COMMA) at = skipSpace(text, at + 1);
  }
  return undefined;
}

/**
 * The elements of the array that begins at `start`, each found when it is asked for. Takes any text: an element may be no
 * JSON. Returns where the array ends, or undefined where what stands between its elements is not what stands there in JSON.
 */
export function* streamElements(text: string, start: number): Generator<Span, number | undefined> {
  let at = skipSpace(text, start + 1);
  if (text.charCodeAt(at) === CLOSE_BRACKET) return at + 1;
  while (at < text.length) {
    const end = valueEnd(text, at);
    yield { start: at, end };
    at = skipSpace(text, end);
    if (text.charCodeAt(at) === CLOSE_BRACKET) return at + 1;
    if (text.charCodeAt(at) !== COMMA) return undefined;
    at = skipSpace(text, at + 1);
  }
  return undefined;
}

/** Text with the value at `span` replaced by other JSON text. */
export function splice(text: string, span: Span, replacement: string): string {
  return text.slice(0, span.start) + replacement + text.slice(span.end);
}

/** Whether arrays and objects nest deeper than `limit`. Takes any text; on text that isn't JSON the answer means little. */
export function depthExceeds(text: string, limit: number): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      at = stringEnd(text, at) - 1;
    } else if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      if (++depth > limit) return true;
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      depth--;
    }
  }
  return false;
}

/** Keys that nearly every message has, by length: to find one of them costs less than to cut it out of the text. */
const USUAL_KEYS: readonly (readonly string[])[] = groupByLength([
  'id',
  'name',
  '_meta',
  'method',
  'params',
  'result',
  'jsonrpc',
  'arguments',
]);

function groupByLength(keys: readonly string[]): string[][] {
  const longest = Math.max(...keys.map(({ length }) => length));
  return Array.from({ length: longest + 1 }, (_, size) => keys.filter(({ length }) => length === size));
}

export function decodeKey(text: string, start: number, end: number): string {
  for (const usual of USUAL_KEYS[end - start - 2] ?? []) if (text.startsWith(usual, start + 1)) return usual;
  const raw = text.slice(start + 1, end - 1);
  if (!raw.includes('\\')) return raw;
  try {
    return String(JSON.parse(text.slice(start, end)));
  } catch {
    // It is no JSON, and whoever reads it as such will say so.
    return raw;
  }
}

function skipSpace(text: string, at: number): number {
  while (at < text.length) {
    const char = text.charCodeAt(at);
    if (char !== 0x20 && char !== 0x0a && char !== 0x0d && char !== 0x09) break;
    at++;
  }
  return at;
}

/** Index after the closing quote of the string whose opening quote is at `at`. Jumps from quote to quote: a long string costs a memchr. */
export function stringEnd(text: string, at: number): number {
  let quote = text.indexOf('"', at + 1);
  while (quote !== -1) {
    let slashes = 0;
    for (let back = quote - 1; back > at && text.charCodeAt(back) === BACKSLASH; back--) slashes++;
    if (slashes % 2 === 0) return quote + 1;
    quote = text.indexOf('"', quote + 1);
  }
  return text.length;
}

/** In place of where a value ends that nests too deep. */
const TOO_DEEP = -1;

function valueEnd(text: string, at: number, limit = Infinity): number {
  const first = text.charCodeAt(at);
  if (first === QUOTE) return stringEnd(text, at);
  if (first === OPEN_BRACE || first === OPEN_BRACKET) return containerEnd(text, at, limit);
  let end = at;
  while (end < text.length) {
    const char = text.charCodeAt(end);
    if (char === COMMA || char === CLOSE_BRACE || char === CLOSE_BRACKET || char <= 0x20) break;
    end++;
  }
  return end;
}

function containerEnd(text: string, start: number, limit: number): number {
  let at = start;
  let depth = 0;
  while (at < text.length) {
    const char = text.charCodeAt(at);
    if (char === QUOTE) {
      at = stringEnd(text, at);
      continue;
    }
    if (char === OPEN_BRACE || char === OPEN_BRACKET) {
      if (++depth > limit) return TOO_DEEP;
    } else if (char === CLOSE_BRACE || char === CLOSE_BRACKET) {
      if (--depth === 0) return at + 1;
    }
    at++;
  }
  return at;
}
