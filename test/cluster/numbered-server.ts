import type { ServerResponse } from 'node:http';
import { CountingServer } from '../support/counting-http.ts';
import { type PeerTool, text } from '../support/peer-tools.ts';
import { notification } from '../support/rpc.ts';
import { formatSse } from '../support/sse.ts';

/** What one session was told, and the connection that hears of it now. */
interface Numbered {
  readonly events: string[];
  stream: ServerResponse | undefined;
}

/**
 * A server that says numbered things on its GET streams, which can be resumed after any of them, and that knows how
 * often each call of its tools was run. Nothing is lost on its side, so what is missing was lost on the way.
 */
export class NumberedServer {
  readonly http: CountingServer;
  /** Runs of `work`, by the key that the call had. */
  readonly runs = new Map<string, number>();
  /** The last number that was said. */
  said = 0;
  readonly #sessions: ReadonlyMap<string, Numbered>;
  /** Sessions of clients: the gateway has others for the server's lists. */
  readonly #called: ReadonlySet<string>;

  private constructor(http: CountingServer, sessions: Map<string, Numbered>, called: Set<string>) {
    this.http = http;
    this.#sessions = sessions;
    this.#called = called;
    http.peer.tools = [
      { name: 'work', description: 'Answers its key', run: ({ args }) => this.#work(args) },
      ...http.peer.tools.filter(({ name }) => name === 'echo' || name === 'hold'),
    ] satisfies PeerTool[];
  }

  static async start(): Promise<NumberedServer> {
    const sessions = new Map<string, Numbered>();
    const called = new Set<string>();
    const http = await CountingServer.start({
      name: 'numbered',
      intercept: ({ httpMethod, sessionId, headers, message }, response) => {
        if (sessionId === undefined || !http.openSessions.includes(sessionId)) return false;
        if (message?.method === 'tools/call') called.add(sessionId);
        if (httpMethod !== 'GET') return false;
        listen(sessions, sessionId, headers['last-event-id'], response);
        return true;
      },
    });
    return new NumberedServer(http, sessions, called);
  }

  get url(): string {
    return this.http.url;
  }

  /** Sessions of clients that somebody listens to now. */
  get listened(): number {
    return [...this.#called].filter((id) => this.#sessions.get(id)?.stream !== undefined).length;
  }

  /** Says the next number to every session that was ever listened to. */
  say(): void {
    const level = 'error';
    const data = JSON.stringify(notification('notifications/message', { level, data: ++this.said }));
    for (const session of this.#sessions.values()) {
      const id = String(session.events.push(data));
      session.stream?.write(formatSse({ id, event: 'message', data }));
    }
  }

  async close(): Promise<void> {
    for (const { stream } of this.#sessions.values()) stream?.end();
    await this.http.close();
  }

  #work(args: Record<string, unknown>) {
    const key = String(args['key']);
    this.runs.set(key, (this.runs.get(key) ?? 0) + 1);
    return text(key);
  }
}

function listen(
  sessions: Map<string, Numbered>,
  sessionId: string,
  lastEventId: unknown,
  response: ServerResponse,
): void {
  const session = sessions.get(sessionId) ?? { events: [], stream: undefined };
  sessions.set(sessionId, session);
  session.stream?.end();
  session.stream = response;
  response.on('close', () => {
    if (session.stream === response) session.stream = undefined;
  });
  response.writeHead(200, { 'content-type': 'text/event-stream', 'cache-control': 'no-cache' });
  const from = typeof lastEventId === 'string' ? Number(lastEventId) : session.events.length;
  // A listener that hears nothing can come back to where it began, too.
  response.write(formatSse({ id: String(from), data: '' }));
  for (const [index, data] of session.events.entries()) {
    if (index >= from) response.write(formatSse({ id: String(index + 1), event: 'message', data }));
  }
}
