import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect } from 'node:net';
import type { ReadResponse } from './http-reader.ts';
import { HttpReader } from './http-reader.ts';

const VERSION = '2025-06-18';

/** A connection with one request under way at a time. */
class Connection {
  readonly #url: URL;
  readonly #socket: Socket;
  readonly #reader = new HttpReader();
  #answered: PromiseWithResolvers<ReadResponse> | undefined;

  private constructor(url: URL, socket: Socket) {
    this.#url = url;
    this.#socket = socket;
    socket.setNoDelay(true).on('data', (chunk: Buffer) => {
      const response = this.#reader.push(chunk);
      if (response !== undefined) this.#answered?.resolve(response);
    });
    socket.on('error', (error) => this.#answered?.reject(error));
    socket.on('close', () => this.#answered?.reject(new Error('The connection was closed')));
  }

  static async open(url: URL): Promise<Connection> {
    const socket = connect(Number(url.port), url.hostname);
    await once(socket, 'connect');
    return new Connection(url, socket);
  }

  send(method: string, headers: string, body: string): Promise<ReadResponse> {
    const { host, pathname } = this.#url;
    this.#answered = Promise.withResolvers();
    this.#socket.write(
      `${method} ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${headers}Content-Type: application/json\r\n` +
        `Accept: application/json, text/event-stream\r\nContent-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`,
    );
    return this.#answered.promise;
  }

  close(): void {
    this.#answered = undefined;
    this.#socket.destroy();
  }
}

/** A session with one call under way. With several connections each request is sent on the next of them. */
export class Client {
  readonly #connections: readonly Connection[];
  readonly #tool: string;
  readonly #text: string;
  #session = '';
  #lastId = 0;
  #turn = 0;

  private constructor(connections: readonly Connection[], tool: string, payloadBytes: number) {
    this.#connections = connections;
    this.#tool = tool;
    this.#text = 'x'.repeat(payloadBytes);
  }

  /** Opens a connection to each address, all of this machine, and initializes a session. */
  static async open(urls: readonly URL[], tool: string, payloadBytes: number): Promise<Client> {
    if (!urls.every(({ hostname }) => hostname.startsWith('127.'))) {
      throw new Error('Only servers on this machine are put under load');
    }
    const client = new Client(await Promise.all(urls.map(Connection.open)), tool, payloadBytes);
    await client.#initialize();
    return client;
  }

  /** Calls the tool, which is to answer with its text. Resolves with what came instead, where it did not. */
  async call(): Promise<string | undefined> {
    const text = this.#text;
    const params = { name: this.#tool, arguments: { text } };
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
