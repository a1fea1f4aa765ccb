import { once } from 'node:events';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { request as httpRequest } from 'node:http';
import { CountingServer } from '../support/counting-http.ts';
import type { RawClient } from '../support/raw-client.ts';
import { type Id, request } from '../support/rpc.ts';
import { until } from '../support/wait.ts';

const MIB = 1024 * 1024;

/** So much is read at a time by who reads slowly. */
const SIP = 2 * MIB;

/** Letters in no order, so that what is lost or stands twice is seen. */
const BLOCK = Buffer.from(Array.from({ length: 64 * 1024 }, (_, n) => 97 + ((n * n + (n >> 7)) % 26)));

const BLOCKS = (200 * MIB) / BLOCK.length;

/** How a server can send a large answer: JSON of a length told before, JSON without, an event on a stream. */
export const FORMS = ['sized', 'chunked', 'event'] as const;

type Form = (typeof FORMS)[number];

/** One answer on its way out of the server. */
export interface LargeAnswer {
  /** Bytes of it that the server could write. */
  readonly written: number;
  /** Whether the connection has been let go of, or freed for the next request. */
  readonly isOver: boolean;
}

/** A server whose tools `sized`, `chunked` and `event` answer 200 MB in that form, as fast as they are read. */
export async function startLargeServer(): Promise<{
  readonly server: CountingServer;
  readonly answers: readonly LargeAnswer[];
}> {
  const answers: LargeAnswer[] = [];
  const server = await CountingServer.start({
    name: 'large',
    tools: [...FORMS.map((name) => ({ name })), { name: 'small' }],
    intercept: ({ message }, response) => {
      const form = FORMS.find((name) => name === message?.params?.['name']);
      if (message?.method !== 'tools/call' || form === undefined) return false;
      answers.push(send(response, form, message.id!));
      return true;
    },
  });
  return { server, answers };
}

function send(response: ServerResponse, form: Form, id: Id): LargeAnswer {
  const answer = { written: 0, isOver: false };
  const { head, tail, length } = textAround(id);
  const isEvent = form === 'event';
  response.writeHead(200, {
    'content-type': isEvent ? 'text/event-stream' : 'application/json',
    ...(form === 'sized' && { 'content-length': length }),
  });
  response.write(isEvent ? `event: message\ndata: ${head}` : head);
  const more = () => {
    while (answer.written < BLOCKS * BLOCK.length) {
      answer.written += BLOCK.length;
      if (!response.write(BLOCK)) return void response.once('drain', more);
    }
    response.end(isEvent ? `${tail}\n\n` : tail);
  };
  response.on('close', () => {
    answer.isOver = true;
  });
  more();
  return answer;
}

function textAround(id: Id): { readonly head: string; readonly tail: string; readonly length: number } {
  const head = `{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":{"content":[{"type":"text","text":"`;
  const tail = '"}]}}';
  return { head, tail, length: head.length + BLOCKS * BLOCK.length + tail.length };
}

/** Resolves when the server has to wait for somebody to read, or needs no one any more. */
export async function untilStuck(answer: LargeAnswer): Promise<void> {
  let before = -1;
  const isStuck = () => {
    const is = answer.isOver || answer.written === before;
    before = answer.written;
    return is;
  };
  await until(isStuck, { what: 'the server to have to wait' });
}

/** Calls a tool and leaves the answer unread. */
export async function openAnswer(
  client: RawClient,
  tool: string,
  id: Id,
  args: Record<string, unknown> = {},
): Promise<IncomingMessage> {
  const outgoing = httpRequest(client.url, {
    method: 'POST',
    agent: false,
    headers: {
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      'mcp-session-id': client.sessionId,
      'mcp-protocol-version': client.protocolVersion,
    },
  });
  outgoing.end(JSON.stringify(request(id, 'tools/call', { name: tool, arguments: args })));
  const [response] = (await once(outgoing, 'response')) as [IncomingMessage];
  return response;
}

/**
 * Reads an answer to its end, and pauses again and again until `mayRead` resolves. Throws where it is not, byte for
 * byte, what the server has sent.
 */
export async function readSlowly(
  response: IncomingMessage,
  id: Id,
  mayRead: () => Promise<unknown>,
): Promise<void> {
  const check = new Check(id);
  let sincePause = 0;
  for await (const chunk of response) {
    check.take(chunk);
    sincePause += chunk.length;
    if (sincePause < SIP) continue;
    sincePause = 0;
    await mayRead();
  }
  check.end();
}

/** Compares with what is expected, piece by piece. What stands around the JSON of an event is skipped. */
class Check {
  readonly #pieces: Iterator<Buffer>;
  #piece: Buffer | undefined;
  #before: Buffer | undefined = Buffer.alloc(0);

  constructor(id: Id) {
    this.#pieces = pieces(id);
    this.#piece = this.#pieces.next().value;
  }

  take(chunk: Buffer): void {
    let rest = chunk;
    if (this.#before !== undefined) {
      const text = Buffer.concat([this.#before, chunk]);
      const start = text.indexOf('{');
      this.#before = start === -1 ? text : undefined;
      if (start === -1) return;
      rest = text.subarray(start);
    }
    while (rest.length > 0) {
      if (this.#piece === undefined) {
        if (rest.toString().trim() !== '') throw new Error('Something follows the answer');
        return;
      }
      const length = Math.min(rest.length, this.#piece.length);
      if (rest.compare(this.#piece, 0, length, 0, length) !== 0) throw new Error('Not what was sent');
      rest = rest.subarray(length);
      this.#piece = length < this.#piece.length ? this.#piece.subarray(length) : this.#pieces.next().value;
    }
  }

  end(): void {
    if (this.#piece !== undefined) throw new Error('The end is missing');
  }
}

function* pieces(id: Id): Generator<Buffer, undefined> {
  const { head, tail } = textAround(id);
  yield Buffer.from(head);
  for (let block = 0; block < BLOCKS; block++) yield BLOCK;
  yield Buffer.from(tail);
  return undefined;
}
