import type { ServerResponse } from 'node:http';
import type { CountingServer } from './counting-http.ts';
import type { Id, Message } from './rpc.ts';
import { failure, result } from './rpc.ts';
import { formatSse } from './sse.ts';

const TEN_MEGABYTES = 10 * 1024 * 1024;

/** Where an endless answer ends after all, so that a client without a limit fails its test and not the machine. */
const ENDLESS_BYTES = 256 * 1024 * 1024;

/** Answers one request in a bad way. */
export type Misbehave = (response: ServerResponse, id: Id, server: CountingServer) => void;

const JSON_HEADERS = { 'content-type': 'application/json' };
export const SSE_HEADERS = { 'content-type': 'text/event-stream' };

const body = (message: unknown) => JSON.stringify(message);
export const sse = (message: unknown) => formatSse({ event: 'message', data: body(message) });
const toolResult = (id: Id, text: string): Message => result(id, { content: [{ type: 'text', text }] });

const status =
  (code: number, headers: Record<string, string> = { 'content-type': 'text/plain' }): Misbehave =>
  (response) => {
    response.writeHead(code, headers).end('No.');
  };

const json =
  (message: (id: Id) => unknown): Misbehave =>
  (response, id) => {
    response.writeHead(200, JSON_HEADERS).end(body(message(id)));
  };

/** What can be wrong with the answer to one request. */
export const ANSWERS = {
  html: (response) => {
    response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><h1>Welcome</h1>');
  },
  'html-as-json': (response) => {
    response.writeHead(200, JSON_HEADERS).end('<!doctype html><h1>Welcome</h1>');
  },
  'invalid-json': (response, id) => {
    response.writeHead(200, JSON_HEADERS).end(body(toolResult(id, 'cut')).slice(0, -2));
  },
  'invalid-json-in-sse': (response) => {
    response.writeHead(200, SSE_HEADERS).end('event: message\ndata: {"jsonrpc":"2.0",\n\n');
  },
  'not-rpc': json(() => ({ hello: 'world' })),
  'wrong-id': json((id) => toolResult(`not-${id}`, 'for somebody else')),
  'wrong-id-in-sse': (response, id) => {
    response.writeHead(200, SSE_HEADERS).end(sse(toolResult(`not-${id}`, 'for somebody else')));
  },
  /** 200, JSON, and no body. */
  empty: (response) => {
    response.writeHead(200, JSON_HEADERS).end();
  },
  /** A stream that ends without the answer. */
  'empty-sse': (response) => {
    response.writeHead(200, SSE_HEADERS).end(': nothing to say\n\n');
  },
  /** 202, as if the request were a notification. */
  accepted: (response) => {
    response.writeHead(202).end();
  },
  /** Takes the request and never says anything. */
  hang: () => {},
  /** Sends the headers of a stream and never an event. */
  'hang-in-sse': (response) => {
    response.writeHead(200, SSE_HEADERS).flushHeaders();
  },
  /** Closes the connection instead of answering. */
  reset: (response) => {
    response.destroy();
  },
  'half-body': (response, id) => {
    const whole = body(toolResult(id, 'never seen whole'));
    response.writeHead(200, { ...JSON_HEADERS, 'content-length': Buffer.byteLength(whole) });
    response.write(whole.slice(0, whole.length / 2), () => response.destroy());
  },
  'half-sse': (response, id) => {
    const whole = sse(toolResult(id, 'never seen whole'));
    response.writeHead(200, SSE_HEADERS).write(whole.slice(0, whole.length / 2), () => response.destroy());
  },
  'endless-line': (response) => {
    response.writeHead(200, SSE_HEADERS).write('data: ');
    writeEndlessly(response);
  },
  'endless-json': (response, id) => {
    response.writeHead(200, JSON_HEADERS).write(`{"jsonrpc":"2.0","id":${body(id)},"result":{"x":"`);
    writeEndlessly(response);
  },
  /** A right answer of 10 MB. */
  huge: json((id) => toolResult(id, 'x'.repeat(TEN_MEGABYTES))),
  'huge-in-sse': (response, id) => {
    response.writeHead(200, SSE_HEADERS).end(sse(toolResult(id, 'x'.repeat(TEN_MEGABYTES))));
  },
  'status-500': status(500),
  'status-400': status(400),
  'status-401': status(401),
  /** The session is gone. Forgetting it makes this happen once to a client that initialises again. */
  'status-404': (response, _id, server) => {
    server.expireSessions();
    response.writeHead(404, JSON_HEADERS).end(body(failure(null, -32001, 'Session not found')));
  },
  'status-429': status(429, { 'content-type': 'text/plain', 'retry-after': '1' }),
  redirect: status(307, { location: 'http://127.0.0.1:1/elsewhere' }),
  'huge-header': status(200, { ...JSON_HEADERS, 'x-noise': 'x'.repeat(128 * 1024) }),
  /** A right answer, one byte at a time. */
  'slow-bytes': (response, id) => {
    response.writeHead(200, JSON_HEADERS);
    drip(response, body(toolResult(id, 'slow')));
  },
  /** The same answer twice, and then another one. */
  duplicate: (response, id) => {
    response.writeHead(200, SSE_HEADERS);
    response.end(sse(toolResult(id, 'first')) + sse(toolResult(id, 'first')) + sse(toolResult(id, 'second')));
  },
  'deep-json': (response, id) => {
    const deep = '['.repeat(100_000) + ']'.repeat(100_000);
    response.writeHead(200, JSON_HEADERS).end(`{"jsonrpc":"2.0","id":${body(id)},"result":${deep}}`);
  },
  /** Keys that must not reach a prototype. */
  'proto-keys': (response, id) => {
    const poison =
      '{"__proto__":{"polluted":true},"constructor":{"prototype":{"polluted":true}},"content":[]}';
    response.writeHead(200, JSON_HEADERS).end(`{"jsonrpc":"2.0","id":${body(id)},"result":${poison}}`);
  },
  /** An error whose code and message have the wrong types. */
  'bad-error': json((id) => ({ jsonrpc: '2.0', id, error: { code: 'E', message: 42 } })),
  'result-and-error': json((id) => ({ ...toolResult(id, 'both'), error: { code: -1, message: 'both' } })),
  'internal-error': json((id) => failure(id, -32603, 'Out of order')),
} satisfies Record<string, Misbehave>;

/** What can be wrong with a list or a handshake; each is about one method only. */
export const SPECIAL = {
  /** The list cannot be had. */
  'list-fails': ['tools/list', json((id) => failure(id, -32603, 'Out of order'))],
  /** Every page has a next one. */
  'endless-pages': [
    'tools/list',
    json((id) => {
      const page = Math.random().toString(36).slice(2);
      return result(id, {
        tools: [{ name: `tool_${page}`, inputSchema: { type: 'object' } }],
        nextCursor: page,
      });
    }),
  ],
  /** The next page is this page. */
  'circular-pages': ['tools/list', json((id) => result(id, { tools: [], nextCursor: 'again' }))],
  'bad-tools': ['tools/list', json((id) => result(id, { tools: BAD_TOOLS }))],
  'not-a-list': ['tools/list', json((id) => result(id, { tools: { echo: {} } }))],
  'never-initialize': ['initialize', ANSWERS.hang],
  'initialize-fails': ['initialize', json((id) => failure(id, -32603, 'Out of order'))],
  'bad-version': [
    'initialize',
    json((id) =>
      result(id, {
        protocolVersion: '1999-01-01',
        capabilities: {},
        serverInfo: { name: 'old', version: '1' },
      }),
    ),
  ],
  'bad-initialize': ['initialize', json((id) => result(id, { protocolVersion: 7, capabilities: 'all' }))],
} satisfies Record<string, readonly [string, Misbehave]>;

/** Two tools that are fine (`echo`, `ok.dotted`) among many that are not, or are hard to name. */
const BAD_TOOLS: readonly unknown[] = [
  { name: 'echo', inputSchema: { type: 'object' } },
  { name: 'echo', description: 'the same name again', inputSchema: { type: 'object' } },
  { name: 'ok.dotted', inputSchema: { type: 'object' } },
  { name: 'with space', inputSchema: { type: 'object' } },
  { name: 'with_space', inputSchema: { type: 'object' } },
  { name: 'näme/ü', inputSchema: { type: 'object' } },
  { name: 'x'.repeat(500), inputSchema: { type: 'object' } },
  { name: `${'x'.repeat(499)}y`, inputSchema: { type: 'object' } },
  { name: '', inputSchema: { type: 'object' } },
  { name: '__proto__', inputSchema: { type: 'object' } },
  { name: 'line\nbreak', inputSchema: { type: 'object' } },
  { name: 42, inputSchema: { type: 'object' } },
  { description: 'no name', inputSchema: { type: 'object' } },
  { name: 'no_schema' },
  { name: 'schema_is_text', inputSchema: 'object' },
  null,
  'text',
  ['array'],
];

/** Bytes of endless answers that were written. */
export const endless = { written: 0 };

/** Writes as fast as it is read, without a line end. */
function writeEndlessly(response: ServerResponse): void {
  const chunk = Buffer.alloc(64 * 1024, 'x');
  let written = 0;
  const more = () => {
    while (!response.destroyed && written < ENDLESS_BYTES) {
      written += chunk.length;
      endless.written += chunk.length;
      if (!response.write(chunk)) return void response.once('drain', more);
    }
    response.destroy();
  };
  more();
}

function drip(response: ServerResponse, text: string): void {
  let next = 0;
  const timer = setInterval(() => {
    if (next < text.length) response.write(text.charAt(next++));
    else response.end();
  }, 5);
  response.on('close', () => clearInterval(timer));
}
