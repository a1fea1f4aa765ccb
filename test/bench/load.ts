/**
 * A closed-loop load generator for machines without a C compiler: one connection and one session each, one call in
 * flight on each. Takes the options and prints the JSON line of the one in C, as far as both are used.
 */
import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import type { ReadResponse } from './http-reader.ts';
import { HttpReader } from './http-reader.ts';

const { values } = parseArgs({
  options: {
    url: { type: 'string', default: '' },
    sessions: { type: 'string', default: '1' },
    payload: { type: 'string', default: '100' },
    duration: { type: 'string', default: '8' },
    warmup: { type: 'string', default: '2' },
    tool: { type: 'string', default: 'echo' },
  },
});
const url = new URL(values.url);
if (!url.hostname.startsWith('127.')) throw new Error('Only servers on this machine are put under load');

const VERSION = '2025-06-18';
const text = 'x'.repeat(Number(values.payload));
const warmupEnd = performance.now() + Number(values.warmup) * 1000;
const end = warmupEnd + Number(values.duration) * 1000;
const latencies: number[] = [];
let errors = 0;
let firstError = '';

class Connection {
  readonly #socket: Socket;
  readonly #reader = new HttpReader();
  #sessionId = '';
  #answered: ((response: ReadResponse) => void) | undefined;
  #lastId = 0;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.setNoDelay(true).on('data', (chunk: Buffer) => {
      const response = this.#reader.push(chunk);
      if (response !== undefined) this.#answered?.(response);
    });
  }

  async initialize(): Promise<void> {
    const clientInfo = { name: 'load', version: '1.0.0' };
    const params = { protocolVersion: VERSION, capabilities: {}, clientInfo };
    const { head } = await this.#post({ id: 0, method: 'initialize', params });
    this.#sessionId = /\r\nmcp-session-id: *([^\r]+)/i.exec(head)?.[1] ?? '';
    await this.#post({ method: 'notifications/initialized' });
  }

  async run(): Promise<void> {
    for (let now = performance.now(); now < end; ) {
      const params = { name: values.tool, arguments: { text } };
      const { status, body } = await this.#post({ id: ++this.#lastId, method: 'tools/call', params });
      const done = performance.now();
      if (status !== 200 || !body.includes(text)) {
        errors++;
        firstError ||= `status ${status}: ${body.slice(0, 200)}`;
      } else if (now >= warmupEnd) latencies.push(done - now);
      now = done;
    }
    this.#socket.destroy();
  }

  #post(message: Record<string, unknown>): Promise<ReadResponse> {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message });
    const session =
      this.#sessionId === ''
        ? ''
        : `Mcp-Session-Id: ${this.#sessionId}\r\nMcp-Protocol-Version: ${VERSION}\r\n`;
    this.#socket.write(
      `POST ${url.pathname} HTTP/1.1\r\nHost: ${url.host}\r\n${session}Content-Type: application/json\r\n` +
        `Accept: application/json, text/event-stream\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    return new Promise((resolve) => {
      this.#answered = resolve;
    });
  }
}

const connections = await Promise.all(
  Array.from({ length: Number(values.sessions) }, async () => {
    const socket = connect(Number(url.port), url.hostname);
    await once(socket, 'connect');
    const connection = new Connection(socket);
    await connection.initialize();
    return connection;
  }),
);
await Promise.all(connections.map((connection) => connection.run()));

latencies.sort((a, b) => a - b);
const percentile = (share: number) => latencies[Math.floor(latencies.length * share)] ?? 0;
const rps = latencies.length / Number(values.duration);
console.log(JSON.stringify({ rps, p50: percentile(0.5), p99: percentile(0.99), errors, firstError }));
