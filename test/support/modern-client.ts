import type { CallOptions, RawAnswer, RawStream } from './raw-client.ts';
import { RawClient } from './raw-client.ts';
import type { Id, Message } from './rpc.ts';

const VERSION = '2026-07-28';
const KEY = 'io.modelcontextprotocol/';

/** Which member of params the `Mcp-Name` header repeats. */
const NAMED: Readonly<Record<string, string>> = {
  'tools/call': 'name',
  'prompts/get': 'name',
  'resources/read': 'uri',
  'tasks/get': 'taskId',
  'tasks/update': 'taskId',
  'tasks/cancel': 'taskId',
};

export interface ModernOptions extends CallOptions {
  readonly capabilities?: Record<string, unknown>;
  readonly logLevel?: string;
  /** More members of `_meta`. */
  readonly meta?: Record<string, unknown>;
}

/** A client of 2026-07-28 that does what a test says and shows all that comes back. */
export class ModernClient {
  readonly raw: RawClient;
  readonly #options: ModernOptions;
  #lastId = 0;

  constructor(url: string, options: ModernOptions = {}) {
    this.raw = new RawClient(url);
    this.#options = options;
  }

  request(method: string, params: Record<string, unknown> = {}, options: ModernOptions = {}) {
    const all = { ...this.#options, ...options };
    return this.raw.post(this.message(method, params, all), {
      ...all,
      headers: { ...headersOf(method, params), ...all.headers },
    });
  }

  callTool(
    name: string,
    args: Record<string, unknown> = {},
    options: ModernOptions = {},
  ): Promise<RawAnswer> {
    return this.request('tools/call', { name, arguments: args }, options);
  }

  /** The same, left open to be read bit by bit or abandoned. */
  open(
    method: string,
    params: Record<string, unknown> = {},
    options: ModernOptions = {},
  ): Promise<RawStream> {
    const all = { ...this.#options, ...options };
    return this.raw.postStream(this.message(method, params, all), {
      ...all,
      headers: { ...headersOf(method, params), ...all.headers },
    });
  }

  message(
    method: string,
    params: Record<string, unknown>,
    options: ModernOptions = {},
  ): Message & { id: Id } {
    const { capabilities = {}, logLevel, meta } = options;
    return {
      jsonrpc: '2.0',
      id: options.id ?? ++this.#lastId,
      method,
      params: {
        ...params,
        _meta: {
          [`${KEY}protocolVersion`]: VERSION,
          [`${KEY}clientInfo`]: { name: 'modern-client', version: '1.0.0' },
          [`${KEY}clientCapabilities`]: capabilities,
          ...(logLevel !== undefined && { [`${KEY}logLevel`]: logLevel }),
          ...meta,
        },
      },
    };
  }

  close(): void {
    this.raw.close();
  }
}

export function headersOf(method: string, params: Record<string, unknown>): Record<string, string> {
  const name = params[NAMED[method] ?? ''];
  return {
    'mcp-protocol-version': VERSION,
    'mcp-method': method,
    ...(typeof name === 'string' && { 'mcp-name': name }),
  };
}
