import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { until } from './wait.ts';

/** A TCP connection on which a test says exactly what it likes, and which keeps all that comes back. */
export class RawSocket {
  readonly socket: Socket;
  /** All that has come, as Latin-1. */
  received = '';
  /** The other side has sent its last, or broken the connection. */
  isOver = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.setNoDelay(true).on('data', (chunk) => {
      this.received += chunk.toString('latin1');
    });
    const over = () => {
      this.isOver = true;
    };
    socket.on('end', over).on('close', over).on('error', over);
  }

  static async open(url: string): Promise<RawSocket> {
    const { hostname, port } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new RawSocket(socket);
  }

  /** Writes and waits until it is handed on; lost in silence where the other side has closed. */
  write(data: string | Buffer): Promise<void> {
    return new Promise((resolve) => this.socket.write(data, () => resolve()));
  }

  /** Waits until what has come matches, and returns it. */
  async expect(pattern: RegExp): Promise<string> {
    await until(() => pattern.test(this.received), { what: `${pattern} in ${this.received.slice(0, 200)}` });
    return this.received;
  }

  /** Waits until the other side has closed, and returns all that has come. */
  async end(): Promise<string> {
    await until(() => this.isOver, { what: 'the connection to be closed' });
    return this.received;
  }

  close(): void {
    this.socket.destroy();
  }
}

/** Waits until nobody listens on a port any more. */
export async function untilRefused(port: number): Promise<void> {
  await until(() => isRefused(port), { what: `port ${port} to be closed` });
}

function isRefused(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      resolve(false);
      socket.destroy();
    });
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'ECONNREFUSED'));
  });
}
