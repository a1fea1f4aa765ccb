import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';
import { connect, createServer } from 'node:net';

export interface TcpProxyOptions {
  /** Default: any free one. */
  readonly port?: number;
  /** Where connections go, `host:port`: each to the next. Asked for every connection. */
  readonly targets: () => readonly string[];
}

/** Passes connections on, byte for byte, and breaks them when told to: a network that a test can hurt. */
export class TcpProxy {
  readonly port: number;
  readonly #server: Server;
  readonly #pairs = new Set<readonly [Socket, Socket]>();
  readonly #options: TcpProxyOptions;
  #refusing = false;
  #silent = false;
  #turn = 0;

  private constructor(server: Server, options: TcpProxyOptions) {
    this.#server = server;
    this.#options = options;
    this.port = (server.address() as AddressInfo).port;
    server.on('connection', (socket) => this.#accept(socket));
  }

  static async start(options: TcpProxyOptions): Promise<TcpProxy> {
    const server = createServer({ noDelay: true });
    server.listen(options.port ?? 0, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, options);
  }

  /** Connections open now. */
  get connections(): number {
    return this.#pairs.size;
  }

  /** Breaks connections, all or the share of them that `chance` (0 to 1) picks. New ones are accepted. */
  cut(chance = 1): void {
    for (const pair of this.#pairs) {
      if (Math.random() < chance) for (const socket of pair) socket.destroy();
    }
  }

  /** Like a host that is down: breaks every connection, and each new one at once. */
  refuse(): void {
    this.#refusing = true;
    this.cut();
  }

  /** Like a host that hangs: what is open stays open, and nothing comes through. */
  silence(): void {
    this.#silent = true;
    for (const pair of this.#pairs) for (const socket of pair) socket.pause();
  }

  /** Ends `refuse` and `silence`; what was held back comes through. */
  heal(): void {
    this.#refusing = false;
    this.#silent = false;
    for (const pair of this.#pairs) for (const socket of pair) socket.resume();
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close');
    this.#server.close();
    this.cut();
    await closed;
  }

  #accept(near: Socket): void {
    const targets = this.#options.targets();
    const target = targets[this.#turn++ % targets.length];
    if (this.#refusing || target === undefined) {
      near.destroy();
      return;
    }
    const { hostname, port } = new URL(`tcp://${target}`);
    const far = connect({ host: hostname, port: Number(port), noDelay: true });
    const pair = [near, far] as const;
    this.#pairs.add(pair);
    for (const [from, to] of [pair, [far, near]] as const) {
      from.on('data', (chunk) => {
        if (!to.write(chunk)) from.pause();
      });
      to.on('drain', () => {
        if (!this.#silent) from.resume();
      });
      from.on('end', () => to.end());
      from.on('error', () => {});
      from.on('close', () => {
        to.destroy();
        this.#pairs.delete(pair);
      });
      if (this.#silent) from.pause();
    }
  }
}
