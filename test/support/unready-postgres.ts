import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

export interface Refusal {
  /** SQLSTATE. */
  readonly code: string;
  readonly message: string;
}

export interface UnreadyPostgresOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** What the next connection is told; `close`: nothing; undefined: it is passed on to `target`. */
  readonly answer: () => Refusal | 'close' | undefined;
  /** URL of a PostgreSQL. */
  readonly target?: string;
}

/** The port of a PostgreSQL that does not let everybody in, as while it starts. */
export class UnreadyPostgres {
  readonly port: number;
  readonly #stop: () => Promise<void>;

  private constructor(port: number, stop: () => Promise<void>) {
    this.port = port;
    this.#stop = stop;
  }

  static async start({ port = 0, answer, target }: UnreadyPostgresOptions): Promise<UnreadyPostgres> {
    const sockets = new Set<Socket>();
    const keep = (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined).on('close', () => sockets.delete(socket));
    };
    const server = createServer((client) => {
      keep(client);
      const refusal = answer();
      if (refusal === 'close') client.destroy();
      else if (refusal !== undefined) client.once('data', () => client.end(errorResponse(refusal)));
      else pass(client, target ?? '', keep);
    });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new UnreadyPostgres((server.address() as AddressInfo).port, async () => {
      const closed = once(server, 'close');
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    });
  }

  /** `url` of a PostgreSQL, with this port in place of its own. */
  at(url: string): string {
    return Object.assign(new URL(url), { hostname: '127.0.0.1', port: String(this.port) }).href;
  }

  close(): Promise<void> {
    return this.#stop();
  }
}

function pass(client: Socket, target: string, keep: (socket: Socket) => void): void {
  const { hostname, port } = new URL(target);
  const server = connect(Number(port || 5432), hostname);
  keep(server);
  client.pipe(server).pipe(client);
  client.on('close', () => server.destroy());
  server.on('close', () => client.destroy());
}

/** As the protocol has it: a letter, the length, and fields that end with a zero each. */
function errorResponse({ code, message }: Refusal): Buffer {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${code}\0M${message}\0\0`);
  const head = Buffer.alloc(5);
  head.write('E');
  head.writeInt32BE(fields.length + 4, 1);
  return Buffer.concat([head, fields]);
}
