import { IncomingMessage, ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import { Duplex, PassThrough } from 'node:stream';

/** A real ServerResponse on a connection that is not real. */
export interface FakeResponse {
  readonly response: ServerResponse;
  /** All bytes so far, head included. */
  raw(): string;
  /** Status, headers by lower-cased name, and the body, chunks joined. */
  parsed(): { status: number; headers: Readonly<Record<string, string>>; body: string };
  /** From now on the client reads nothing, until it is let. */
  stall(): void;
  flow(): void;
  /** The client goes away. */
  cut(): Promise<void>;
}

export function fakeResponse(): FakeResponse {
  const chunks: Buffer[] = [];
  const held: (() => void)[] = [];
  let isStalled = false;
  const socket = new Duplex({
    highWaterMark: 1024,
    read() {},
    write(chunk: Buffer, _encoding, done) {
      chunks.push(chunk);
      if (isStalled) held.push(done);
      else done();
    },
  });
  const request = Object.assign(new IncomingMessage(socket as Socket), {
    httpVersionMajor: 1,
    httpVersionMinor: 1,
  });
  const response = new ServerResponse(request);
  response.assignSocket(socket as Socket);
  // As the server does for its connections.
  socket.on('drain', () => response.emit('drain'));
  const raw = () => Buffer.concat(chunks).toString();
  return {
    response,
    raw,
    parsed: () => parse(raw()),
    stall: () => {
      isStalled = true;
    },
    flow: () => {
      isStalled = false;
      for (const done of held.splice(0)) done();
    },
    cut: async () => {
      const closed = new Promise((resolve) => response.once('close', resolve));
      response.destroy();
      socket.destroy();
      await closed;
    },
  };
}

function parse(raw: string): { status: number; headers: Record<string, string>; body: string } {
  const end = raw.indexOf('\r\n\r\n');
  const [line = '', ...fields] = raw.slice(0, end).split('\r\n');
  const headers: Record<string, string> = {};
  for (const field of fields) {
    const colon = field.indexOf(':');
    headers[field.slice(0, colon).toLowerCase()] = field.slice(colon + 1).trim();
  }
  const rest = raw.slice(end + 4);
  const body = headers['transfer-encoding'] === 'chunked' ? unchunked(Buffer.from(rest)) : rest;
  return { status: Number(line.split(' ')[1]), headers, body };
}

function unchunked(bytes: Buffer): string {
  const parts: Buffer[] = [];
  let at = 0;
  for (;;) {
    const end = bytes.indexOf('\r\n', at);
    const size = end === -1 ? 0 : Number.parseInt(bytes.toString('latin1', at, end), 16);
    if (size === 0) return Buffer.concat(parts).toString();
    parts.push(bytes.subarray(end + 2, end + 2 + size));
    at = end + 2 + size + 2;
  }
}

/** A request whose body the test writes. */
export function fakeRequest(headers: Readonly<Record<string, string>> = {}): {
  readonly request: IncomingMessage;
  readonly body: PassThrough;
} {
  const body = new PassThrough();
  return { request: Object.assign(body as unknown as IncomingMessage, { headers }), body };
}
