import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import { SSE_COMMENT } from '../protocol/sse.ts';
import { EventStreams } from './event-stream.ts';

/** Longer than the pause between two signs of life. */
const A_WHILE_MS = 60_000;
/** More than the sockets between the two take while nobody reads. */
const LARGE = Buffer.alloc(16 * 1024 * 1024, 'x');

function startStreams(t: TestContext): EventStreams {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const streams = new EventStreams();
  t.after(() => streams.close());
  return streams;
}

/** A stream, and what its client has of it. */
async function openStream(t: TestContext, streams: EventStreams): Promise<[ServerResponse, IncomingMessage]> {
  const server = createServer();
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const outgoing = request({ port, host: '127.0.0.1', agent: false });
  t.after(() => {
    outgoing.destroy();
    server.close();
  });
  const asked = once(server, 'request');
  const answered = once(outgoing, 'response');
  outgoing.end();
  const [, response] = (await asked) as [IncomingMessage, ServerResponse];
  streams.start(response);
  response.flushHeaders();
  const [incoming] = (await answered) as [IncomingMessage];
  return [response, incoming];
}

async function textOf(incoming: IncomingMessage): Promise<string> {
  let text = '';
  for await (const chunk of incoming) text += chunk;
  return text;
}

describe('an event stream that is silent', () => {
  it('gives a sign of life', async (t) => {
    const streams = startStreams(t);
    const [response, incoming] = await openStream(t, streams);
    t.mock.timers.tick(A_WHILE_MS);
    response.end();
    assert.ok((await textOf(incoming)).startsWith(SSE_COMMENT));
  });

  it('gives none after its end, however late its client reads that', async (t) => {
    const streams = startStreams(t);
    const [response, incoming] = await openStream(t, streams);
    response.end(LARGE);
    t.mock.timers.tick(A_WHILE_MS);
    assert.equal((await textOf(incoming)).length, LARGE.length);
  });
});
