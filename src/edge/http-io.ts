import type { IncomingHttpHeaders, OutgoingHttpHeaders } from 'node:http';

/** A request as the MCP endpoint needs it, from whichever server it came. */
export interface HttpRequest {
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders;
  /** Where its connection comes from; undefined once it is closed. */
  readonly remoteAddress: string | undefined;
  /** Nothing of it is still on its way. */
  readonly complete: boolean;
  /**
   * Its body, at once where it is here. Throws, or rejects with, TooLarge beyond `maxBytes`, ParseError for what is not
   * UTF-8, Cancelled where the client goes away in the middle.
   */
  text(maxBytes: number): string | Promise<string>;
  /** Reads what is left of a body that is refused, and drops it. Resolves at its end, or when it has been enough. */
  discard(): Promise<void>;
}

/** The part of Node's ServerResponse that answers are made with, of whichever server. */
export interface HttpResponse {
  /** Its client has gone, or has all of it. */
  readonly destroyed: boolean;
  readonly headersSent: boolean;
  readonly writableEnded: boolean;
  readonly writableNeedDrain: boolean;
  /** Bytes that are not out yet. */
  readonly writableLength: number;
  writeHead(status: number, headers?: OutgoingHttpHeaders): HttpResponse;
  flushHeaders(): void;
  /** False: the client reads slowly, and `drain` comes when it can take more. */
  write(data: string | Buffer, encoding?: BufferEncoding): boolean;
  end(data?: string | Buffer): unknown;
  end(data: string, encoding: BufferEncoding): unknown;
  destroy(): unknown;
  on(event: 'drain' | 'close', listener: () => void): unknown;
  off(event: 'drain' | 'close', listener: () => void): unknown;
}
