import type { Server, ServerResponse } from 'node:http';
import { Server as NetServer, type Socket } from 'node:net';
import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises';

/** How long a connection has to be silent, once its server stops, before nothing more is expected on it. */
const SILENT_MS = 100;
/** The same for one that was just made or has just carried something: its client may be about to go on. */
const EXPECTED_MS = 1000;
const SWEEP_MS = 25;
/** A port closes when nobody has come for so long, and is kept open for so long in the hope of that. */
const CALM_MS = 100;
const CALM_WITHIN_MS = 1000;
/** Where somebody comes in each turn of the loop there is no end to it. */
const QUIET_WITHIN_MS = 5000;

/** A client that has taken nothing of what waits for it for so long is not reading. */
const STALLED_MS = 60_000;

/** A response as far as a connection's end has to do with it. */
type FollowedResponse = Pick<ServerResponse, 'headersSent' | 'destroyed'> & {
  setHeader(name: 'connection', value: 'close'): unknown;
};

interface Connection {
  /** When it was made, or was seen to bring something while the server stopped; milliseconds of `performance.now()`. */
  since: number;
  /** How much it had brought then. */
  bytesRead: number;
  /** It has carried a request. */
  isUsed: boolean;
  /** To the last request that it carried: destroyed when the last byte of the answer is out. */
  response: FollowedResponse | undefined;
  /** Something waits for its client, who is watched taking it. */
  isWatched: boolean;
}

/**
 * The connections of an HTTP/1.1 server, so that it can stop without breaking one that is of use. Node's own way closes
 * a connection whose answer has been written by us and not yet read by a slow client, and resets those that wait to be
 * accepted.
 */
export class Connections {
  readonly #server: Server;
  readonly #stalledMs: number;
  readonly #open = new Map<Socket, Connection>();
  #isDraining = false;
  /** How many there have ever been, and when the last was made. */
  #accepted = 0;
  #acceptedAt = Number.NEGATIVE_INFINITY;

  /** Before the server is given its listener of requests, or it cannot speak to those that are answered at once. */
  constructor(server: Server, { stalledMs = STALLED_MS } = {}) {
    this.#server = server;
    this.#stalledMs = stalledMs;
    const looks = setInterval(() => this.#watchReaders(), stalledMs / 4).unref();
    server.once('close', () => clearInterval(looks));
    server.on('connection', (socket: Socket) => this.#add(socket));
    server.prependListener('request', (request, response: ServerResponse) => {
      this.follow(request.socket, response);
    });
  }

  /** Looks after a response before it is answered. */
  follow(socket: Socket, response: FollowedResponse): void {
    const connection = this.#open.get(socket);
    if (connection !== undefined) {
      connection.isUsed = true;
      connection.response = response;
    }
    if (this.#isDraining) response.setHeader('connection', 'close');
  }

  /** Somebody else looks after this connection from now on. */
  release(socket: Socket): void {
    this.#open.delete(socket);
  }

  /** Each answer from now on is the last on its connection; new connections are taken as before. */
  drain(): void {
    this.#isDraining = true;
    for (const { response } of this.#open.values()) {
      if (isUnderWay(response) && !response.headersSent) response.setHeader('connection', 'close');
    }
  }

  /**
   * Takes no more connections, answers what arrives on those that are open, and cuts what is left after `graceMs`.
   * Resolves when there is no connection.
   */
  async close(graceMs: number): Promise<void> {
    this.drain();
    await this.#goodMoment();
    const from = performance.now();
    for (const [socket, connection] of this.#open) {
      if (connection.isUsed) connection.bytesRead = socket.bytesRead;
    }
    const closed = new Promise<void>((resolve) => stopListening(this.#server, resolve));
    const sweeps = setInterval(() => {
      // What has arrived by now is read before this runs.
      setImmediate(() => this.#closeSilent(from));
    }, SWEEP_MS);
    const cut = setTimeout(() => {
      for (const socket of this.#open.keys()) socket.destroy();
    }, graceMs);
    await closed;
    clearInterval(sweeps);
    clearTimeout(cut);
  }

  /**
   * Waits for a good moment to close the port. The system resets connections that are not accepted by then: what a
   * balancer has on its way, and, since one is accepted in each turn of the loop, those that have to wait for theirs.
   */
  async #goodMoment(): Promise<void> {
    const from = performance.now();
    for (;;) {
      const now = performance.now();
      const isCalm = now - this.#acceptedAt > CALM_MS || now - from > CALM_WITHIN_MS;
      const accepted = this.#accepted;
      await (isCalm ? wholeTurn() : delay(CALM_MS / 10));
      if (isCalm && (accepted === this.#accepted || now - from > QUIET_WITHIN_MS)) return;
    }
  }

  #add(socket: Socket): void {
    this.#accepted++;
    this.#acceptedAt = performance.now();
    this.#open.set(socket, {
      since: performance.now(),
      bytesRead: 0,
      isUsed: false,
      response: undefined,
      isWatched: false,
    });
    socket.once('close', () => this.#open.delete(socket));
  }

  /**
   * A connection on which nothing moves is cut. The system knows best: a socket's own time-out sees how much of a large write
   * has gone out. It is armed only where something waits, or idle streams would each need a timer.
   */
  #watchReaders(): void {
    for (const [socket, connection] of this.#open) {
      if (connection.isWatched || socket.writableLength === 0) continue;
      connection.isWatched = true;
      socket.setTimeout(this.#stalledMs);
      socket.once('timeout', () => {
        connection.isWatched = false;
        if (socket.writableLength > 0) socket.destroy();
        else if (socket.timeout === this.#stalledMs) socket.setTimeout(0);
      });
    }
  }

  #closeSilent(from: number): void {
    const now = performance.now();
    for (const [socket, connection] of this.#open) {
      if (isUnderWay(connection.response)) continue;
      if (socket.bytesRead !== connection.bytesRead) {
        connection.bytesRead = socket.bytesRead;
        connection.since = now;
      }
      if (now - from > SILENT_MS && now - connection.since > EXPECTED_MS) socket.destroy();
    }
  }
}

/** The turn under way may have had its look for connections: from that of the next to the one after. */
async function wholeTurn(): Promise<void> {
  await nextTurn();
  await nextTurn();
}

function isUnderWay(response: FollowedResponse | undefined): response is FollowedResponse {
  return response?.destroyed === false;
}

/** Without what an HTTP server does besides: it closes every connection that it takes for idle. */
function stopListening(server: Server, done: () => void): void {
  NetServer.prototype.close.call(server, () => {
    // By now there is none, and this ends the server's own look at its connections.
    server.close(() => {});
    done();
  });
}
