import type { Owner } from '../../src/auth/principal.ts';
import type { ListedEntry, ServerCatalog } from '../../src/catalog/types.ts';
import type { ServerRecord } from '../../src/db/server-record.ts';
import type {
  AnswerSink,
  CancelRequest,
  Connector,
  Deadlines,
  DownstreamLink,
  DownstreamServer,
  OpenOptions,
  PortableLink,
  ServerHandshake,
} from '../../src/downstream/port.ts';
import {
  errorText,
  type Message,
  parseMessage,
  type RequestMessage,
  requestText,
  resultText,
} from '../../src/protocol/envelope.ts';
import type { GatewayError } from '../../src/protocol/errors.ts';
import { locate } from '../../src/protocol/json-text.ts';
import type { LogFields, Logger } from '../../src/telemetry/types.ts';

/** Small stand-ins for the ports of the relay core, for tests without sockets and processes. */

export const OWNER: Owner = { tenantId: 'default', userId: 'local' };

export interface LoggedLine {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

export function recordingLogger(lines: LoggedLine[] = []): Logger & { readonly lines: LoggedLine[] } {
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      lines.push({ level, message, fields });
    };
  const logger = {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    enabled: () => true,
    child: () => logger,
  };
  return logger;
}

/** Where a server is that is called with tokens that callers' own are exchanged for. */
export const OF_CALLERS = {
  kind: 'http',
  url: 'http://localhost/mcp',
  headers: {},
  oauth: { grant: 'token_exchange', clientId: 'c', authMethod: 'client_secret_basic', scopes: [] },
} as const;

export function fakeServer(id: string, more: Partial<DownstreamServer> = {}): DownstreamServer {
  return {
    id,
    owner: OWNER,
    name: id,
    prefix: id,
    ordinal: 1,
    revision: 1,
    target: { kind: 'http', url: 'http://localhost/mcp', headers: {} },
    ...more,
  };
}

export function fakeRecord(id: string, more: Partial<ServerRecord> = {}): ServerRecord {
  return {
    id,
    owner: OWNER,
    name: id,
    target: { kind: 'http', url: 'http://localhost/mcp', headers: {} },
    enabled: true,
    ordinal: 1,
    revision: 1,
    createdAt: new Date(0),
    updatedAt: new Date(0),
    ...more,
  };
}

export function requestOf(text: string): RequestMessage {
  const message = parseMessage(text, 512);
  if (message.kind !== 'request') throw new TypeError(`not a request: ${text}`);
  return message;
}

export function request(method: string, params?: unknown, id: string | number = 1): RequestMessage {
  return requestOf(requestText(id, method, params));
}

/** A list entry as it would be fetched; `text` as the server wrote it. */
export function listed(keyName: string, text: string): ListedEntry {
  const entry: Readonly<Record<string, unknown>> = JSON.parse(text);
  const keySpan = locate(text, [keyName]);
  if (keySpan === undefined) throw new TypeError(`no ${keyName} in ${text}`);
  return { key: String(entry[keyName]), entry, text, keySpan };
}

export interface FakeLists {
  readonly tools?: readonly string[];
  readonly prompts?: readonly string[];
  readonly resources?: readonly string[];
  readonly resourceTemplates?: readonly string[];
}

/** A catalog of entries that have nothing but their name or URI. */
export function fakeCatalog(lists: FakeLists, more: Partial<ServerCatalog> = {}): ServerCatalog {
  const of = (keyName: string, keys: readonly string[] = []) =>
    keys.map((key) => listed(keyName, JSON.stringify({ [keyName]: key })));
  return {
    tools: of('name', lists.tools),
    prompts: of('name', lists.prompts),
    resources: of('uri', lists.resources),
    resourceTemplates: of('uriTemplate', lists.resourceTemplates),
    capabilities: { tools: {}, prompts: {}, resources: {} },
    serverInfo: { name: 'fake', version: '1' },
    protocolVersion: '2025-11-25',
    fetchedAt: new Date(),
    ...more,
  };
}

/** Writes down what it is told. */
export class RecordingSink implements AnswerSink {
  drained: (() => void) | undefined;
  readonly calls: string[] = [];
  readonly messages: string[] = [];
  readonly failures: GatewayError[] = [];
  readonly answers: string[] = [];
  #chunks: Buffer[] = [];

  openStream(): void {
    this.calls.push('openStream');
  }

  message(text: string): boolean {
    this.calls.push('message');
    this.messages.push(text);
    return true;
  }

  answer(body: string | Buffer): void {
    this.calls.push('answer');
    this.answers.push(body.toString());
  }

  begin(): void {
    this.calls.push('begin');
  }

  data(chunk: Buffer): boolean {
    this.#chunks.push(chunk);
    return true;
  }

  end(): void {
    this.calls.push('end');
    this.answers.push(Buffer.concat(this.#chunks).toString());
  }

  fail(error: GatewayError): void {
    this.calls.push('fail');
    this.failures.push(error);
  }

  /** The one answer, parsed. */
  get answered(): { id: unknown; result?: unknown; error?: { code: number; message: string } } {
    if (this.answers.length !== 1) throw new Error(`answered ${this.answers.length} times`);
    return JSON.parse(this.answers[0] ?? '');
  }
}

/** What a fake server does with a request: answers with JSON text, or takes the sink and does as it likes. */
export type Respond = (request: RequestMessage, sink: AnswerSink) => string | undefined;

/** A server in the test: `respond` answers its requests, in a turn of their own. */
export class FakeLink implements DownstreamLink {
  readonly server: DownstreamServer;
  readonly handshake: ServerHandshake;
  readonly requests: RequestMessage[] = [];
  readonly deadlines: Deadlines[] = [];
  readonly cancelled: GatewayError[] = [];
  readonly sent: Message[] = [];
  isListening = false;
  closed = 0;
  readonly #respond: Respond;

  constructor(server: DownstreamServer, respond: Respond, handshake: Partial<ServerHandshake> = {}) {
    this.server = server;
    this.#respond = respond;
    this.handshake = {
      protocolVersion: '2025-11-25',
      capabilities: { tools: {} },
      serverInfo: { name: 'fake', version: '1' },
      ...handshake,
    };
  }

  get portable(): PortableLink | undefined {
    return undefined;
  }

  request(request: RequestMessage, sink: AnswerSink, deadlines: Deadlines): CancelRequest {
    this.requests.push(request);
    this.deadlines.push(deadlines);
    let over = false;
    queueMicrotask(() => {
      if (over) return;
      const text = this.#respond(request, sink);
      if (text !== undefined) sink.answer(text);
    });
    return (reason) => {
      if (over) return;
      over = true;
      this.cancelled.push(reason);
      sink.fail(reason);
    };
  }

  send(message: Message): void {
    this.sent.push(message);
  }

  listen(): void {
    this.isListening = true;
  }

  unlisten(): void {
    this.isListening = false;
  }

  release(): Promise<void> {
    return this.close();
  }

  async close(): Promise<void> {
    this.closed++;
  }
}

/** Answers list requests from lists of JSON texts, one page each. */
export function listing(lists: Readonly<Record<string, () => readonly string[]>>): Respond {
  return (request) => {
    const found = Object.entries(LIST_METHODS).find(([method]) => method === request.method);
    const entries = found && lists[found[1]]?.();
    return entries === undefined || found === undefined
      ? errorText(request.id, -32601, 'Method not found')
      : resultText(request.id, `{"${found[1]}":[${entries.join(',')}]}`);
  };
}

const LIST_METHODS = {
  'tools/list': 'tools',
  'prompts/list': 'prompts',
  'resources/list': 'resources',
  'resources/templates/list': 'resourceTemplates',
};

/** Opens what `links` makes, and keeps what was opened. */
export class FakeConnector implements Connector {
  readonly opened: { readonly server: DownstreamServer; readonly options: OpenOptions }[] = [];
  readonly dropped: string[] = [];
  readonly #links: (
    server: DownstreamServer,
    options: OpenOptions,
  ) => DownstreamLink | Promise<DownstreamLink>;

  constructor(
    links: (server: DownstreamServer, options: OpenOptions) => DownstreamLink | Promise<DownstreamLink>,
  ) {
    this.#links = links;
  }

  async open(server: DownstreamServer, options: OpenOptions): Promise<DownstreamLink> {
    this.opened.push({ server, options });
    return this.#links(server, options);
  }

  async drop(serverId: string): Promise<void> {
    this.dropped.push(serverId);
  }

  async close(): Promise<void> {}
}

/** Waits, in turns of the event loop and not in time, until something is so. For tests whose timers are not real. */
export async function turnsUntil(condition: () => boolean, what: string): Promise<void> {
  for (let turn = 0; !condition(); turn++) {
    if (turn > 1000) throw new Error(`waited in vain for ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

/** A few turns of the event loop, for what must not happen in them. */
export async function turns(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
}
