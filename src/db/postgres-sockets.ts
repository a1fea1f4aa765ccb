import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';

/** What postgres.js hands to its `socket` option. */
interface Destination {
  readonly host: readonly string[];
  readonly port: readonly number[];
  /** Of a Unix socket; empty or false for TCP. */
  readonly path?: string | false;
}

/** A connection that ends sooner was not of use. */
const SHORT_LIFE_MS = 1_000;
const LONGEST_WAIT_MS = 1_000;

/**
 * The sockets of postgres.js. It is left alone with a connection that is closed without an error before it is ready,
 * as a relay does whose server is away: the query then waits for ever while postgres.js connects again without a
 * pause (porsager/postgres#1193). Here such an end is an error, and attempts that fail at once are spaced out. And a
 * connection that has gone silent can be dropped, which nothing else notices for a quarter of an hour.
 */
export class PostgresSockets {
  readonly #open = new Set<Socket>();
  #last: { readonly socket: Socket; readonly at: number } | undefined;
  #shortLives = 0;

  /** The `socket` option. The socket may still be connecting: what is written to it waits. */
  readonly connect = async (destination: Destination): Promise<Socket> => {
    await this.#pause();
    const [host = 'localhost'] = destination.host;
    const [port = 5432] = destination.port;
    const socket = destination.path ? connect(destination.path) : connect({ host, port, noDelay: true });
    socket.once('end', () => socket.destroy(lost()));
    for (const old of this.#open) if (old.destroyed) this.#open.delete(old);
    this.#open.add(socket);
    this.#last = { socket, at: performance.now() };
    // Read by postgres.js: for its errors, and as the name that a certificate is checked against.
    return Object.assign(socket, { host, port });
  };

  /** Drops every connection; what runs on them fails, and the next query connects anew. */
  reset(): void {
    for (const socket of this.#open) socket.destroy(lost());
    this.#open.clear();
  }

  async #pause(): Promise<void> {
    const short =
      this.#last?.socket.destroyed && performance.now() - this.#last.at < SHORT_LIFE_MS + LONGEST_WAIT_MS;
    this.#shortLives = short ? this.#shortLives + 1 : 0;
    if (short) await delay((0.5 + Math.random() / 2) * Math.min(10 * 2 ** this.#shortLives, LONGEST_WAIT_MS));
  }
}

function lost(): Error {
  return Object.assign(new Error('The connection was closed'), { code: 'ECONNRESET' });
}
