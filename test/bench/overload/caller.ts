import { connect, type Socket } from 'node:net';
import { HttpReader } from '../http-reader.ts';

const VERSION = '2025-06-18';

/** What a connection asks its owner to do with an answer. */
export type Answered = (caller: Caller, status: number, latencyMs: number) => void;

/** Of all: sessions are shared. */
let lastId = 0;

/** One connection, with at most one call under way. */
export class Caller {
  readonly #url: URL;
  readonly #socket: Socket;
  readonly #reader = new HttpReader();
  readonly #answered: Answered;
  #waiting: PromiseWithResolvers<{ status: number; head: string }> | undefined;
  #head = '';
  #body = '';
  #since = 0;

  constructor(url: URL, answered: Answered) {
    this.#url = url;
    this.#answered = answered;
    this.#socket = connect(Number(url.port), url.hostname).setNoDelay(true);
    this.#socket.on('data', (chunk: Buffer) => this.#push(chunk));
    this.#socket.on('error', () => this.#lost());
    this.#socket.on('close', () => this.#lost());
  }

  get isLost(): boolean {
    return this.#socket.destroyed;
  }

  /** Starts a session, and returns what its requests say of it. */
  async open(): Promise<string> {
    const params = {
      protocolVersion: VERSION,
      capabilities: {},
      clientInfo: { name: 'load', version: '1.0.0' },
    };
    const { head } = await this.#post('', { id: 0, method: 'initialize', params });
    const id = /\r\nmcp-session-id: *([^\r]+)/i.exec(head)?.[1] ?? '';
    const session = `Mcp-Session-Id: ${id}\r\nMcp-Protocol-Version: ${VERSION}\r\n`;
    await this.#post(session, { method: 'notifications/initialized' });
    return session;
  }

  /** Makes one call in a session, as all later ones: of a tool that answers so many bytes. */
  async join(session: string, tool: string, payloadBytes: number): Promise<void> {
    const call = { name: tool, arguments: { text: 'x'.repeat(payloadBytes) } };
    this.#head = this.#headers(session);
    this.#body = `,"method":"tools/call","params":${JSON.stringify(call)}}`;
    this.#waiting = Promise.withResolvers();
    const { promise } = this.#waiting;
    this.call(0);
    await promise;
  }

  /** Calls the tool. `since`: when the call was to be made. */
  call(since: number): void {
    this.#since = since;
    const body = `{"jsonrpc":"2.0","id":${++lastId}${this.#body}`;
    this.#socket.write(`${this.#head}${body.length}\r\n\r\n${body}`, 'latin1');
  }

  close(): void {
    this.#socket.destroy();
  }

  #push(chunk: Buffer): void {
    const response = this.#reader.push(chunk);
    if (response === undefined) return;
    const waiting = this.#waiting;
    this.#waiting = undefined;
    if (waiting !== undefined) waiting.resolve(response);
    else this.#answered(this, response.status, performance.now() - this.#since);
  }

  #lost(): void {
    this.#waiting?.reject(new Error('The connection was closed'));
    this.#waiting = undefined;
  }

  #post(session: string, message: Record<string, unknown>): Promise<{ status: number; head: string }> {
    const body = JSON.stringify({ jsonrpc: '2.0', ...message });
    this.#waiting = Promise.withResolvers();
    this.#socket.write(`${this.#headers(session)}${Buffer.byteLength(body)}\r\n\r\n${body}`);
    return this.#waiting.promise;
  }

  /** As far as the length of the body. */
  #headers(session: string): string {
    const { host, pathname } = this.#url;
    return (
      `POST ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${session}Content-Type: application/json\r\n` +
      'Accept: application/json, text/event-stream\r\nContent-Length: '
    );
  }
}
