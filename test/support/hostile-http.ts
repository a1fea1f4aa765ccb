import type { ServerResponse } from 'node:http';
import type { CountingOptions, SeenRequest } from './counting-http.ts';
import { CountingServer } from './counting-http.ts';
import type { Misbehave } from './hostile-answers.ts';
import { ANSWERS, SPECIAL, SSE_HEADERS, sse } from './hostile-answers.ts';

export type HttpBehaviour = keyof typeof ANSWERS | keyof typeof SPECIAL | 'flood' | 'well';

/** Every behaviour there is, for tests that go through all of them. */
export const HTTP_ANSWERS = Object.keys(ANSWERS) as readonly (keyof typeof ANSWERS)[];

/** What can be wrong with a list or a handshake. */
export const SPECIAL_BEHAVIOURS = Object.keys(SPECIAL) as readonly (keyof typeof SPECIAL)[];

export interface Hostile {
  readonly url: string;
  /** The server underneath, with its counts. */
  readonly server: CountingServer;
  /** Changes the behaviour from now on; `well` makes it a good server. */
  behave(behaviour: HttpBehaviour, on?: string): void;
  close(): Promise<void>;
}

export interface HostileOptions extends Omit<CountingOptions, 'intercept'> {
  /** The method that is answered badly; all others are answered well. Default `tools/call`. */
  readonly on?: string;
}

/** A server over Streamable HTTP that is well-behaved but for one thing. */
export async function startHostile(behaviour: HttpBehaviour, options: HostileOptions = {}): Promise<Hostile> {
  const { on, ...serverOptions } = options;
  let current = choose(behaviour, on);
  const intercept = (seen: SeenRequest, response: ServerResponse): boolean => {
    const { message } = seen;
    if (current.flood && seen.httpMethod === 'GET') {
      response.writeHead(200, SSE_HEADERS);
      flood(response);
      return true;
    }
    const id = message?.method === current.on ? message?.id : undefined;
    if (current.misbehave === undefined || id === undefined || id === null) return false;
    current.misbehave(response, id, server);
    return true;
  };
  const server = await CountingServer.start({ name: 'hostile', ...serverOptions, intercept });
  return {
    url: server.url,
    server,
    behave: (next, nextOn) => {
      current = choose(next, nextOn ?? on);
    },
    close: () => server.close(),
  };
}

interface Choice {
  readonly on: string | undefined;
  readonly misbehave?: Misbehave;
  readonly flood: boolean;
}

function choose(behaviour: HttpBehaviour, on = 'tools/call'): Choice {
  if (behaviour === 'well' || behaviour === 'flood') return { on: undefined, flood: behaviour === 'flood' };
  if (behaviour in SPECIAL) {
    const [method, misbehave] = SPECIAL[behaviour as keyof typeof SPECIAL];
    return { on: method, misbehave, flood: false };
  }
  return { on, misbehave: ANSWERS[behaviour as keyof typeof ANSWERS], flood: false };
}

/** A hundred changes announced every 5 ms, for as long as anybody listens. */
function flood(response: ServerResponse): void {
  const burst = sse({ jsonrpc: '2.0', method: 'notifications/tools/list_changed' }).repeat(100);
  const timer = setInterval(() => {
    if (!response.writableNeedDrain) response.write(burst);
  }, 5);
  response.on('close', () => clearInterval(timer));
}
