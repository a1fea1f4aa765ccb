/** Bytes of a response's head, at most. */
export const MAX_HEAD_BYTES = 16 * 1024;

type ResponseHeaders = Readonly<Record<string, string | string[]>>;

/** How the body of a response ends: with a last chunk, with the connection, or after so many bytes. */
type BodyLength = 'chunked' | 'until-close' | number;

/** The head of a response, as far as a client has to do with it. */
export interface ResponseHead {
  readonly status: number;
  /** Names in lower case. One that stands several times has a list. */
  readonly headers: ResponseHeaders;
  readonly body: BodyLength;
  /** Whether the connection takes another request afterwards. */
  readonly keepsAlive: boolean;
  /** Milliseconds for which the server says that it keeps an idle connection. */
  readonly keepAliveMs: number | undefined;
}

/** What came is no HTTP/1.1 response (RFC 9112). */
export class MalformedResponse extends Error {
  readonly code = 'HPE_MALFORMED';
}

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-5]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?$/;
const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const NOT_A_VALUE = /[\0\r\n]/;
const LENGTH = /^\d{1,15}$/;

/** As most answers begin. */
const OK = 'HTTP/1.1 200 OK\r\n';

/** Names in the two ways in which they come, with what they are in lower case: found, a name is known to be one. */
const USUAL_NAMES: ReadonlyMap<string, string> = new Map(
  [
    'Cache-Control',
    'Connection',
    'Content-Length',
    'Content-Type',
    'Date',
    'Keep-Alive',
    'Mcp-Session-Id',
    'Server',
    'Transfer-Encoding',
    'Vary',
  ].flatMap((name) => [name, name.toLowerCase()].map((as) => [as, name.toLowerCase()] as const)),
);

/** Reads a head: its lines without the empty one at the end. Throws {@link MalformedResponse}. */
export function parseHead(text: string): ResponseHead {
  let end = lineEnd(text, 0);
  let minor: string | undefined = '1';
  let status = 200;
  if (!text.startsWith(OK)) {
    const line = STATUS_LINE.exec(text.slice(0, end)) ?? malformed('its status line');
    minor = line[1];
    status = Number(line[2]);
  }
  const headers: Record<string, string | string[]> = Object.create(null);
  for (let start = end + 2; start < text.length; start = end + 2) {
    end = lineEnd(text, start);
    addHeader(headers, text, start, end);
  }
  const connection = String(headers['connection'] ?? '').toLowerCase();
  const body = bodyLength(status, headers);
  return {
    status,
    headers,
    body,
    keepsAlive:
      body !== 'until-close' &&
      (minor === '1' ? !connection.includes('close') : connection.includes('keep-alive')),
    keepAliveMs: keepAliveMs(headers['keep-alive']),
  };
}

function lineEnd(text: string, from: number): number {
  const end = text.indexOf('\r\n', from);
  return end === -1 ? text.length : end;
}

/** `start` and `end` of its line. */
function addHeader(
  headers: Record<string, string | string[]>,
  text: string,
  start: number,
  end: number,
): void {
  const colon = text.indexOf(':', start);
  const given = colon === -1 || colon >= end ? '' : text.slice(start, colon);
  const name = USUAL_NAMES.get(given) ?? nameOf(given);
  const value = text.slice(colon + 1, end).trim();
  if (NOT_A_VALUE.test(value)) malformed('a header');
  const before = headers[name];
  if (before === undefined) headers[name] = value;
  else if (typeof before === 'string') headers[name] = [before, value];
  else before.push(value);
}

function nameOf(given: string): string {
  // A line that goes on with the one before it has no name (RFC 9112, 5.2: obsolete).
  return NAME.test(given) ? given.toLowerCase() : malformed('a header');
}

/** RFC 9112, 6.3. A length beside chunks is how one response is passed off as two. */
function bodyLength(status: number, headers: ResponseHeaders): BodyLength {
  const { 'transfer-encoding': encoding, 'content-length': length } = headers;
  if (status < 200 || status === 204 || status === 304) return 0;
  if (encoding !== undefined) {
    if (length !== undefined || String(encoding).toLowerCase() !== 'chunked')
      malformed('its transfer encoding');
    return 'chunked';
  }
  if (length === undefined) return 'until-close';
  const [first, ...others] = typeof length === 'string' ? [length] : length;
  if (first === undefined || !LENGTH.test(first) || others.some((other) => other !== first))
    malformed('its length');
  return Number(first);
}

function keepAliveMs(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  const seconds = /(?:^|[\s,;])timeout=(\d{1,6})/i.exec(String(header))?.[1];
  return seconds === undefined ? undefined : Number(seconds) * 1000;
}

function malformed(what: string): never {
  throw new MalformedResponse(`A response is malformed: ${what}`);
}
