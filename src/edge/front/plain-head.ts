import type { IncomingHttpHeaders } from 'node:http';

/** The head of a plain request, whose body has a length that is told before, or none. */
export interface PlainHead {
  /** Names in lower case, each once. Shared by requests that have the same head; not to be changed. */
  readonly headers: IncomingHttpHeaders;
  /** Bytes. */
  readonly bodyLength: number;
}

const NAME = /^[\w!#$%&'*+.^`|~-]+$/;
const NOT_A_VALUE = /[^\t\x20-\x7e\x80-\xff]/;
const LENGTH = /^\d{1,9}$/;
const MAX_HEADERS = 100;

/** What changes how a connection or a body is to be read. */
const NOT_PLAIN = [
  'transfer-encoding',
  'expect',
  'upgrade',
  'trailer',
  'te',
  'proxy-connection',
  'keep-alive',
];

/**
 * Reads the header lines of an HTTP/1.1 request, without the empty one at the end. Undefined for one that is not plain, or
 * that anybody could read in another way: with a name twice, no Host, a length that is not just digits, none where its
 * method has a body or one where it has not, another coding, an expectation, an end of the connection (RFC 9112, 11.2:
 * request smuggling).
 */
export function readPlainHead(lines: string, hasBody: boolean): PlainHead | undefined {
  const headers: IncomingHttpHeaders = Object.create(null);
  let count = 0;
  for (let start = 0, end = 0; start < lines.length; start = end + 2) {
    end = lines.indexOf('\r\n', start);
    if (end === -1) end = lines.length;
    const colon = lines.indexOf(':', start);
    if (colon === -1 || colon > end || ++count > MAX_HEADERS) return undefined;
    const name = lines.slice(start, colon);
    const value = trimmed(lines, colon + 1, end);
    const known = name.toLowerCase();
    if (!NAME.test(name) || NOT_A_VALUE.test(value) || known in headers) return undefined;
    headers[known] = value;
  }
  const { connection = 'keep-alive', host, 'content-length': length = hasBody ? '' : '0' } = headers;
  if (host === undefined || !LENGTH.test(length)) return undefined;
  if (!hasBody && Number(length) > 0) return undefined;
  if (connection.toLowerCase() !== 'keep-alive') return undefined;
  if (NOT_PLAIN.some((name) => name in headers)) return undefined;
  return { headers, bodyLength: Number(length) };
}

/** Without the space and tabs around it. */
function trimmed(text: string, from: number, to: number): string {
  let [start, end] = [from, to];
  while (start < end && isBlank(text.charCodeAt(start))) start++;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end--;
  return text.slice(start, end);
}

function isBlank(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
