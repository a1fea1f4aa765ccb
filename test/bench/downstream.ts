/**
 * A cheap MCP server with one tool, `echo`, for machines without a C compiler. Keeps no sessions apart. Prints its URL.
 */
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Message } from '../support/rpc.ts';
import { failure, result } from '../support/rpc.ts';

const TOOLS = [
  {
    name: 'echo',
    description: 'Answers its text',
    inputSchema: { type: 'object', properties: { text: { type: 'string' } }, required: ['text'] },
  },
];

function answer({ id, method, params }: Message): Message | undefined {
  if (id === undefined || id === null) return undefined;
  switch (method) {
    case 'initialize':
      return result(id, {
        protocolVersion: params?.['protocolVersion'],
        capabilities: { tools: {} },
        serverInfo: { name: 'bench', version: '1.0.0' },
      });
    case 'tools/list':
      return result(id, { tools: TOOLS });
    case 'tools/call': {
      const args = params?.['arguments'] as { text: string };
      return result(id, { content: [{ type: 'text', text: args.text }] });
    }
    case 'ping':
      return result(id, {});
    default:
      return failure(id, -32601, 'Method not found');
  }
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
    if (message?.method === 'initialize') response.setHeader('mcp-session-id', randomUUID());
    if (answered === undefined) {
      response.writeHead(request.method === 'DELETE' ? 200 : 202).end();
      return;
    }
    const text = JSON.stringify(answered);
    response.writeHead(200, {
      'content-type': 'application/json',
      'content-length': Buffer.byteLength(text),
    });
    response.end(text);
  });
});
server.listen(0, '127.0.0.1');
await once(server, 'listening');
console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/mcp`);
