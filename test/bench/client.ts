import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { ReadResponse } from './http-reader.ts';
import { HttpReader } from './http-reader.ts';

/** Which of the two ways of the protocol a client speaks: with sessions, or with each request on its own. */
export type Era = 'legacy' | 'modern';

const VERSION = '2025-06-18';
const MODERN_VERSION = '2026-07-28';
const KEY = 'io.modelcontextprotocol/';

/** Servers close connections that are silent for long. This is shorter than they wait, in milliseconds. */
const IDLE_MS = 30_000;

/** A connection with one request under way at a time; opened anew where it was long silent. */
class Connection {
  readonly #url: URL;
  #socket: Socket | undefined;
  #answered: PromiseWithResolvers<ReadResponse> | undefined;
  #usedAt = 0;

  constructor(url: URL) {
    this.#url = url;
  }

  async send(method: string, headers: string, body: string): Promise<ReadResponse> {
    const { host, pathname } = this.#url;
    const now = performance.now();
    if (this.#socket === undefined || now - this.#usedAt > IDLE_MS) await this.#open();
    this.#usedAt = now;
    this.#answered = Promise.withResolvers();
    this.#socket?.write(
      `${method} ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${headers}Content-Type: application/json\r\n` +
        `Accept: application/json, text/event-stream\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    return this.#answered.promise;
  }

  close(): void {
    this.#answered = undefined;
    this.#socket?.destroy();
  }

  async #open(): Promise<void> {
    this.close();
    const socket = connect(Number(this.#url.port), this.#url.hostname).setNoDelay(true);
    await once(socket, 'connect');
    this.#socket = socket;
    const reader = new HttpReader();
    socket.on('data', (chunk: Buffer) => {
      const response = reader.push(chunk);
      if (response !== undefined) this.#answered?.resolve(response);
    });
    socket.on('error', (error) => this.#lost(socket, error));
    socket.on('close', () => this.#lost(socket, new Error('The connection was closed')));
  }

  #lost(socket: Socket, error: Error): void {
    if (socket !== this.#socket) return;
    this.#socket = undefined;
    this.#answered?.reject(error);
  }
}

/** What a modern client says of itself with each request. */
const META = {
  [`${KEY}protocolVersion`]: MODERN_VERSION,
  [`${KEY}clientInfo`]: { name: 'load', version: '1.0.0' },
  [`${KEY}clientCapabilities`]: {},
};

/** A session with one call under way. With several connections each request is sent on the next of them. */
export class Client {
  readonly #connections: readonly Connection[];
  readonly #tool: string;
  readonly #text: string;
  readonly #era: Era;
  /** Headers of each request. */
  #session = '';
  #lastId = 0;
  #turn = 0;

  private constructor(connections: readonly Connection[], tool: string, payloadBytes: number, era: Era) {
    this.#era = era;
    this.#connections = connections;
    this.#tool = tool;
    this.#text = 'x'.repeat(payloadBytes);
  }

  /**
   * Initializes a session at the first of some addresses, which are all of this machine. In the modern era there is
   * nothing to do for that.
   */
  static async open(
    urls: readonly URL[],
    tool: string,
    payloadBytes: number,
    era: Era = 'legacy',
  ): Promise<Client> {
    if (!urls.every(({ hostname }) => hostname.startsWith('127.'))) {
      throw new Error('Only servers on this machine are put under load');
    }
    const client = new Client(
      urls.map((url) => new Connection(url)),
      tool,
      payloadBytes,
      era,
    );
    if (era === 'legacy') await client.#initialize();
    else
      client.#session = `Mcp-Protocol-Version: ${MODERN_VERSION}\r\nMcp-Method: tools/call\r\nMcp-Name: ${tool}\r\n`;
    return client;
  }

  /** Calls the tool, which is to answer with its text. Resolves with what came instead, where it did not. */
  async call(): Promise<string | undefined> {
    const text = this.#text;
    const meta = this.#era === 'modern' && { _meta: META };
    const params = { name: this.#tool, arguments: { text }, ...meta };
    const { status, body } = await this.#post({ id: ++this.#lastId, method: 'tools/call', params });
    return status === 200 && body.includes(text) ? undefined : `status ${status}: ${body.slice(0, 200)}`;
  }

  /** Ends the session. */
  async end(): Promise<void> {
    await this.#next.send('DELETE', this.#session, '');
    this.close();
  }

  close(): void {
    for (const connection of this.#connections) connection.close();
  }

  async #initialize(): Promise<void> {
    const clientInfo = { name: 'load', version: '1.0.0' };
    const params = { protocolVersion: VERSION, capabilities: {}, clientInfo };
    const { head } = await this.#post({ id: 0, method: 'initialize', params });
    const id = /\r\nmcp-session-id: *([^\r]+)/i.exec(head)?.[1];
    if (id !== undefined) this.#session = `Mcp-Session-Id: ${id}\r\nMcp-Protocol-Version: ${VERSION}\r\n`;
    await this.#post({ method: 'notifications/initialized' });
  }

  get #next(): Connection {
    return this.#connections[this.#turn++ % this.#connections.length]!;
  }

  #post(message: Record<string, unknown>): Promise<ReadResponse> {
    return this.#next.send('POST', this.#session, JSON.stringify({ jsonrpc: '2.0', ...message }));
  }
}
