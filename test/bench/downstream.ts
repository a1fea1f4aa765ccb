/**
 * A cheap MCP server with a tool `echo` and others that nobody calls. Keeps no sessions apart. Prints its URL. Options:
 * `--tools N`, `--answers json|sse`, `--pad BYTES` (answers are made so long), `--era legacy|modern`.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { parseArgs } from 'node:util';
import type { Message } from '../support/rpc.ts';
import { failure, result } from '../support/rpc.ts';

const { values } = parseArgs({
  options: {
    tools: { type: 'string', default: '10' },
    answers: { type: 'string', default: 'json' },
    pad: { type: 'string', default: '0' },
    era: { type: 'string', default: 'legacy' },
  },
});
const isModern = values.era === 'modern';
const isSse = values.answers === 'sse';

const TOOLS = Array.from({ length: Number(values.tools) }, (_, place) => ({
  name: place === 0 ? 'echo' : `tool_${place}`,
  description: 'Answers its text',
  inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
}));

/** What results have in the modern era beyond those before. */
const MODERN = isModern ? { resultType: 'complete' } : {};
const CACHE = isModern ? { ttlMs: 0, cacheScope: 'public' } : {};

/** Said at the end of an answer, before its last brackets. */
const PADDING = Buffer.alloc(Number(values.pad), 'x');
const PADDED = '~';

function answer({ id, method, params }: Message): Message | undefined {
  if (id === undefined || id === null) return undefined;
  switch (method) {
    case 'initialize':
      if (isModern) break;
      return result(id, {
        protocolVersion: params?.['protocolVersion'],
        capabilities: { tools: {} },
        serverInfo: { name: 'bench', version: '1.0.0' },
      });
    case 'server/discover':
      if (!isModern) break;
      return result(id, {
        ...MODERN,
        ...CACHE,
        supportedVersions: ['2026-07-28'],
        capabilities: { tools: {} },
      });
    case 'tools/list':
      return result(id, { ...MODERN, ...CACHE, tools: TOOLS });
    case 'tools/call': {
      const args = params?.['arguments'] as { text: string };
      const text = PADDING.length === 0 ? args.text : args.text + PADDED;
      return result(id, { ...MODERN, content: [{ type: 'text', text }] });
    }
    case 'ping':
      return result(id, {});
    default:
  }
  return failure(id, -32601, 'Method not found');
}

/** The answer as it goes over the wire, its padding not copied. */
function bytesOf(answered: Message): Buffer[] {
  const text = JSON.stringify(answered);
  const [before, after] = isSse ? ['event: message\ndata: ', '\n\n'] : ['', ''];
  const at = PADDING.length === 0 ? -1 : text.indexOf(PADDED);
  if (at < 0) return [Buffer.from(before + text + after)];
  return [
    Buffer.from(before + text.slice(0, at)),
    PADDING,
    Buffer.from(text.slice(at + PADDED.length) + after),
  ];
}

const server = createServer((request, response) => {
  if (request.method === 'GET') {
    response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
    return;
  }
  let body = '';
  request.setEncoding('utf8').on('data', (chunk: string) => {
    body += chunk;
  });
  request.on('end', () => {
    const message: Message | undefined = body === '' ? undefined : JSON.parse(body);
    const answered = message && answer(message);
    if (message?.method === 'initialize' && !isModern) response.setHeader('mcp-session-id', randomUUID());
    if (answered === undefined) {
      response.writeHead(request.method === 'DELETE' ? 200 : 202).end();
      return;
    }
    const parts = bytesOf(answered);
    response.writeHead(200, {
      'content-type': isSse ? 'text/event-stream' : 'application/json',
      'content-length': parts.reduce((sum, { length }) => sum + length, 0),
    });
    response.cork();
    for (const part of parts) response.write(part);
    response.end();
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
