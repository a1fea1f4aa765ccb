import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import {
  constants,
  createServer as createHttp2Server,
  type Http2ServerRequest,
  type Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2';
import type { AddressInfo } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { Connections } from './connections.ts';
import { sniffHttp2 } from './h2c-sniff.ts';
import type { RunningServer } from './mcp-server.ts';

export type H2cRequest = IncomingMessage | Http2ServerRequest;
export type H2cResponse = ServerResponse | Http2ServerResponse;

export interface H2cTimeouts {
  /** Milliseconds for the first bytes and for the headers of a request. */
  readonly headersMs: number;
  /** Milliseconds for a whole request over HTTP/1.1, and for a pause in the body of one over HTTP/2. */
  readonly requestMs: number;
  /** Milliseconds without a request after which a connection is closed. */
  readonly idleMs: number;
}

export const DEFAULT_TIMEOUTS: H2cTimeouts = { headersMs: 10_000, requestMs: 30_000, idleMs: 120_000 };

export interface H2cServerOptions {
  readonly host: string;
  readonly port: number;
  readonly timeouts: H2cTimeouts;
  readonly onRequest: (request: H2cRequest, response: H2cResponse) => void;
  /** Told of connections that could not be accepted once the server listens. */
  readonly onError: (error: Error) => void;
}

/** Calls under way on one connection. More wait for their turn. */
const MAX_CONCURRENT_STREAMS = 100;
/** The trailers of an answer have long been sent by then. */
const HALF_OPEN_MS = 1000;
const MAX_HEADER_BYTES = 16 * 1024;
/** For the first call on a connection that is made while the port closes. */
const FIRST_CALL_MS = 1000;
/** For the last frames of a call that is cut to reach its client. */
const CUT_MS = 500;

/**
 * HTTP/1.1 and HTTP/2 without TLS on one port. The listening server is the HTTP/1.1 one, so that its checks of slow
 * and idle connections run; a connection that opens with the HTTP/2 preface is handed to the other.
 */
export async function startH2cServer(options: H2cServerOptions): Promise<RunningServer> {
  const { timeouts, onRequest } = options;
  const sessions = new Map<ServerHttp2Session, ReadonlySet<ServerHttp2Stream>>();
  let isClosing = false;

  const http1 = createServer(
    {
      headersTimeout: timeouts.headersMs,
      requestTimeout: timeouts.requestMs,
      keepAliveTimeout: timeouts.idleMs,
      connectionsCheckingInterval: Math.min(timeouts.headersMs, 5000),
      maxHeaderSize: MAX_HEADER_BYTES,
      // Notices peers that vanished while a stream was open to them.
      keepAlive: true,
      keepAliveInitialDelay: 60_000,
    },
    onRequest,
  );

  const http2 = createHttp2Server(
    { settings: { maxConcurrentStreams: MAX_CONCURRENT_STREAMS, maxHeaderListSize: MAX_HEADER_BYTES } },
    (request, response) => {
      const { stream } = request;
      stream.setTimeout(timeouts.requestMs, () => stream.close());
      // From here on it may be the server that is silent.
      request.once('end', () => stream.setTimeout(0));
      // Answered in full: a client that does not end its half is not waited for (RFC 9113, section 8.1).
      stream.once('finish', () => request.complete || stream.setTimeout(HALF_OPEN_MS));
      onRequest(request, response);
    },
  );
  http2.on('session', (session) => {
    const streams = streamsOf(session);
    sessions.set(session, streams);
    session.once('close', () => sessions.delete(session));
    session.setTimeout(timeouts.idleMs, () => {
      if (streams.size === 0) session.close();
    });
    if (isClosing) closeAfterFirst(session);
  });

  const serveHttp1 = http1.listeners('connection');
  http1.removeAllListeners('connection');
  const connections = new Connections(http1);
  http1.on('connection', (socket) => {
    sniffHttp2(socket, timeouts.headersMs, (isHttp2) => {
      if (isHttp2) {
        connections.release(socket);
        http2.emit('connection', socket);
      } else for (const serve of serveHttp1) serve.call(http1, socket);
    });
  });

  http1.listen(options.port, options.host);
  await once(http1, 'listening');
  http1.on('error', options.onError);
  return {
    port: (http1.address() as AddressInfo).port,
    drain: () => connections.drain(),
    async close(graceMs) {
      const closed = connections.close(graceMs);
      isClosing = true;
      // Says which calls it has taken: a client knows of any other that it was not run.
      for (const session of sessions.keys()) session.close();
      const grace = new AbortController();
      const cut = async () => {
        await delay(graceMs, undefined, { signal: grace.signal });
        // A client that is told of the end of its call does not depend on noticing that of the connection.
        for (const streams of sessions.values()) {
          for (const stream of streams) stream.close(constants.NGHTTP2_CANCEL);
        }
        if (sessions.size > 0) await delay(CUT_MS, undefined, { signal: grace.signal });
        for (const session of sessions.keys()) session.destroy();
      };
      await Promise.race([closed, cut().then(() => closed)]);
      grace.abort();
    },
  };
}

/** A connection that was made just before the port closed: its client has something to say. */
function closeAfterFirst(session: ServerHttp2Session): void {
  const close = () => session.close();
  session.once('stream', close);
  const enough = setTimeout(close, FIRST_CALL_MS).unref();
  session.once('close', () => clearTimeout(enough));
}

function streamsOf(session: ServerHttp2Session): ReadonlySet<ServerHttp2Stream> {
  const streams = new Set<ServerHttp2Stream>();
  session.on('stream', (stream) => {
    streams.add(stream);
    stream.once('close', () => streams.delete(stream));
  });
  return streams;
}
