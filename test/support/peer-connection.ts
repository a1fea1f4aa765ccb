import type { Peer } from './peer.ts';
import { PeerError } from './peer.ts';
import { text } from './peer-tools.ts';
import type { Id, Message } from './rpc.ts';
import { failure, isRequest, isResponse, notification, request, result } from './rpc.ts';

/** Sends a message that belongs to the request being handled. */
export type Send = (message: Message) => void;

/** One client of a peer: its requests in flight, and the peer's own requests that wait for an answer. */
export class PeerConnection {
  clientCapabilities: Record<string, unknown> = {};
  protocolVersion = '';
  readonly #peer: Peer;
  readonly #running = new Map<Id, AbortController>();
  readonly #asked = new Map<Id, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  #lastId = 0;

  constructor(peer: Peer) {
    this.#peer = peer;
  }

  /** Handles one message. Resolves when its answer, if it gets one, was given to `send`. */
  async handle(message: Message, send: Send): Promise<void> {
    if (message.method !== undefined) {
      this.#peer.methods[message.method] = (this.#peer.methods[message.method] ?? 0) + 1;
    }
    if (isResponse(message)) this.#answered(message);
    else if (isRequest(message)) await this.#serve(message, send);
    else if (message.method === 'notifications/cancelled') {
      this.#running.get(message.params?.['requestId'] as Id)?.abort(new Error('Cancelled'));
    }
  }

  /** Ends what still runs, because the client is gone. */
  close(): void {
    for (const controller of this.#running.values()) controller.abort(new Error('Closed'));
    for (const { reject } of this.#asked.values()) reject(new Error('Closed'));
  }

  #answered({ id, result: value, error }: Message & { id: Id }): void {
    const waiting = this.#asked.get(id);
    this.#asked.delete(id);
    if (error === undefined) waiting?.resolve(value);
    else waiting?.reject(new Error(`${error.code}: ${error.message}`));
  }

  async #serve(message: Message & { id: Id; method: string }, send: Send): Promise<void> {
    const controller = new AbortController();
    this.#running.set(message.id, controller);
    try {
      const value = await this.#dispatch(message.method, message.params ?? {}, controller.signal, send);
      send(value === undefined ? failure(message.id, -32601, 'Method not found') : result(message.id, value));
    } catch (error) {
      if (controller.signal.aborted) this.#peer.cancelled++;
      else
        send(failure(message.id, error instanceof PeerError ? error.code : -32603, (error as Error).message));
    } finally {
      this.#running.delete(message.id);
    }
  }

  #dispatch(method: string, params: Record<string, unknown>, signal: AbortSignal, send: Send): unknown {
    const peer = this.#peer;
    switch (method) {
      case 'initialize':
        return this.#initialize(params);
      case 'ping':
      case 'logging/setLevel':
        return {};
      case 'tools/list':
        return this.#page(
          'tools',
          peer.tools.map(({ run: _, ...entry }) => ({ inputSchema: { type: 'object' }, ...entry })),
          params,
        );
      case 'resources/list':
        return this.#page('resources', peer.resources, params);
      case 'resources/templates/list':
        return this.#page('resourceTemplates', peer.resourceTemplates, params);
      case 'prompts/list':
        return this.#page('prompts', peer.prompts, params);
      case 'tools/call':
        return this.#call(params, signal, send);
      case 'resources/read':
        return this.#read(String(params['uri']));
      case 'resources/subscribe':
        peer.subscriptions.add(String(params['uri']));
        return {};
      case 'resources/unsubscribe':
        peer.subscriptions.delete(String(params['uri']));
        return {};
      case 'prompts/get':
        return this.#prompt(String(params['name']));
      case 'completion/complete':
        return { completion: { values: [`${peer.name}-1`, `${peer.name}-2`] } };
      default:
        return undefined;
    }
  }

  #initialize(params: Record<string, unknown>): unknown {
    const asked = String(params['protocolVersion']);
    this.protocolVersion = this.#peer.versions.includes(asked) ? asked : String(this.#peer.versions[0]);
    this.clientCapabilities = (params['capabilities'] as Record<string, unknown> | undefined) ?? {};
    return {
      protocolVersion: this.protocolVersion,
      capabilities: {
        tools: { listChanged: true },
        resources: { listChanged: true, subscribe: true },
        prompts: { listChanged: true },
        completions: {},
        logging: {},
      },
      serverInfo: { name: this.#peer.name, version: '1.0.0' },
      ...(this.#peer.instructions !== undefined && { instructions: this.#peer.instructions }),
    };
  }

  #page(key: string, entries: readonly unknown[], params: Record<string, unknown>): unknown {
    const start = Number(params['cursor'] ?? 0);
    const end = start + this.#peer.pageSize;
    return { [key]: entries.slice(start, end), ...(end < entries.length && { nextCursor: String(end) }) };
  }

  #read(uri: string): unknown {
    const known = this.#peer.resources.some((resource) => resource.uri === uri);
    // Which URIs a template covers is not worked out here: with one, every URI exists.
    if (!known && this.#peer.resourceTemplates.length === 0)
      throw new PeerError(-32002, `Resource not found: ${uri}`);
    return { contents: [{ uri, text: `${this.#peer.name} has ${uri}` }] };
  }

  #prompt(name: string): unknown {
    if (!this.#peer.prompts.some((prompt) => prompt.name === name)) {
      throw new PeerError(-32602, `Unknown prompt: ${name}`);
    }
    return { messages: [{ role: 'user', content: { type: 'text', text: `${this.#peer.name}: ${name}` } }] };
  }

  #call(params: Record<string, unknown>, signal: AbortSignal, send: Send): unknown {
    const name = String(params['name']);
    const tool = this.#peer.tools.find((candidate) => candidate.name === name);
    if (tool === undefined) throw new PeerError(-32602, `Unknown tool: ${name}`);
    if (tool.run === undefined) return text(name);
    return tool.run({
      name,
      args: (params['arguments'] as Record<string, unknown> | undefined) ?? {},
      meta: (params['_meta'] as Record<string, unknown> | undefined) ?? {},
      signal,
      notify: (method, values) => send(notification(method, values)),
      ask: (method, values) => this.#ask(method, values, send),
    });
  }

  #ask(method: string, params: Record<string, unknown>, send: Send): Promise<unknown> {
    const id = `ask-${++this.#lastId}`;
    return new Promise((resolve, reject) => {
      this.#asked.set(id, { resolve, reject });
      send(request(id, method, params));
    });
  }
}
