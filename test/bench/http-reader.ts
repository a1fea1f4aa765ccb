/** A response read to its end. */
export interface ReadResponse {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/**
 * Reads the responses of one connection that has a single request in flight. It does no more than the load
 * generator needs: bodies with a length or in chunks, ASCII or not.
 */
export class HttpReader {
  #bytes: Buffer = Buffer.alloc(0);

  /** Takes what arrived; returns the response once it is whole. */
  push(chunk: Buffer): ReadResponse | undefined {
    this.#bytes = this.#bytes.length === 0 ? chunk : Buffer.concat([this.#bytes, chunk]);
    const end = this.#bytes.indexOf('\r\n\r\n');
    if (end < 0) return undefined;
    const head = this.#bytes.toString('latin1', 0, end);
    const rest = this.#bytes.subarray(end + 4);
    const length = /\r\ncontent-length: *(\d+)/i.exec(head)?.[1];
    const body = length === undefined ? unchunk(head, rest) : whole(rest, Number(length));
    if (body === undefined) return undefined;
    this.#bytes = Buffer.alloc(0);
    return { status: Number(head.slice(9, 12)), head, body };
  }
}

function whole(rest: Buffer, length: number): string | undefined {
  return rest.length < length ? undefined : rest.toString('utf8', 0, length);
}

function unchunk(head: string, rest: Buffer): string | undefined {
  if (!/\r\ntransfer-encoding: *chunked/i.test(head)) return '';
  const parts: Buffer[] = [];
  for (let at = 0; ; ) {
    const lineEnd = rest.indexOf('\r\n', at);
    if (lineEnd < 0) return undefined;
    const size = Number.parseInt(rest.toString('latin1', at, lineEnd), 16);
    const next = lineEnd + 2 + size + 2;
    if (rest.length < next) return undefined;
    if (size === 0) return Buffer.concat(parts).toString();
    parts.push(rest.subarray(lineEnd + 2, lineEnd + 2 + size));
    at = next;
  }
}
