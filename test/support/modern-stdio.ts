/**
 * An MCP server of 2026-07-28, and of nothing else, on stdin and stdout. It refuses what a client of this version may not
 * do, and keeps count of it. Its first argument, where there is one, names a file for a line whenever it starts.
 */
import { appendFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { type Id, isRequest, type Message } from './rpc.ts';

const VERSION = '2026-07-28';
const KEY = 'io.modelcontextprotocol/';

type Params = Record<string, unknown>;

const held = new Set<Id>();
const listening = new Map<Id, Params>();
/** What the client did that it may not do. */
const faults: string[] = [];
let cancelled = 0;
const tools = [
  'echo',
  'pid',
  'ask',
  'hold',
  'release',
  'state',
  'slow',
  'log',
  'add_tool',
  'touch',
  'end_news',
  'exit',
];
const READ_ONLY = ['pid'];

const write = (message: Params): void =>
  void process.stdout.write(`${JSON.stringify({ jsonrpc: '2.0', ...message })}\n`);
const notify = (method: string, params: Params) => write({ method, params });
const answer = (id: Id, value: Params) => write({ id, result: { resultType: 'complete', ...value } });
const text = (id: Id, value: string) => answer(id, { content: [{ type: 'text', text: value }] });
const refuse = (id: Id, code: number, message: string) => write({ id, error: { code, message } });

const isObject = (value: unknown): value is Params => typeof value === 'object' && value !== null;

/** On the subscriptions that want it. */
function tell(method: string, params: Params, isWanted: (filter: Params) => boolean): void {
  for (const [id, filter] of listening) {
    if (isWanted(filter)) notify(method, { ...params, _meta: { [`${KEY}subscriptionId`]: id } });
  }
}

function call(id: Id, params: Params, meta: Params): void {
  const args = isObject(params['arguments']) ? params['arguments'] : {};
  switch (params['name']) {
    case 'echo':
      return text(id, String(args['text']));
    case 'pid':
      return text(id, String(process.pid));
    case 'ask': {
      const answers = params['inputResponses'];
      if (isObject(answers))
        return text(id, JSON.stringify({ answers, state: params['requestState'], id: typeof id }));
      const requestedSchema = { type: 'object', properties: { name: { type: 'string' } } };
      return answer(id, {
        resultType: 'input_required',
        inputRequests: {
          who: { method: 'elicitation/create', params: { mode: 'form', message: 'Who?', requestedSchema } },
        },
        requestState: 'kept by the client',
      });
    }
    case 'hold':
      held.add(id);
      return;
    case 'release':
      for (const each of held) text(each, 'released');
      held.clear();
      return text(id, '');
    case 'state': {
      const news = [...listening.values()];
      const state = { pid: process.pid, held: held.size, cancelled, news, faults };
      return answer(id, { content: [], structuredContent: state });
    }
    case 'slow': {
      const progressToken = meta['progressToken'];
      for (const progress of [1, 2, 3])
        if (progressToken !== undefined) notify('notifications/progress', { progressToken, progress });
      return text(id, '3 steps');
    }
    case 'log':
      if (meta[`${KEY}logLevel`] !== undefined)
        notify('notifications/message', { level: 'error', data: args['text'] });
      return text(id, 'logged');
    case 'add_tool':
      tools.push(String(args['name']));
      tell('notifications/tools/list_changed', {}, (filter) => filter['toolsListChanged'] === true);
      return text(id, 'added');
    case 'touch': {
      const uris = (filter: Params) => (filter['resourceSubscriptions'] ?? []) as unknown[];
      tell('notifications/resources/updated', { uri: args['uri'] }, (filter) =>
        uris(filter).includes(args['uri']),
      );
      return text(id, 'touched');
    }
    case 'end_news':
      for (const each of listening.keys()) notify('notifications/cancelled', { requestId: each });
      listening.clear();
      return text(id, 'ended');
    case 'exit':
      process.exit(Number(args['code'] ?? 1));
  }
  refuse(id, -32602, `Unknown tool: ${String(params['name'])}`);
}

function serve(id: Id, method: string, params: Params, meta: Params): void {
  switch (method) {
    case 'server/discover':
      return answer(id, {
        supportedVersions: [VERSION],
        capabilities: {
          tools: { listChanged: true },
          resources: { subscribe: true, listChanged: true },
          logging: {},
        },
        ttlMs: 0,
        cacheScope: 'private',
        _meta: { [`${KEY}serverInfo`]: { name: 'modern-stdio', version: '1' } },
      });
    case 'tools/list': {
      const listed = tools.map((name) => ({
        name,
        inputSchema: { type: 'object' },
        ...(READ_ONLY.includes(name) && { annotations: { readOnlyHint: true } }),
      }));
      return answer(id, { tools: listed, ttlMs: 0, cacheScope: 'private' });
    }
    case 'resources/list':
      return answer(id, {
        resources: [{ uri: 'modern://page', name: 'page' }],
        ttlMs: 0,
        cacheScope: 'private',
      });
    case 'resources/templates/list':
      return answer(id, { resourceTemplates: [], ttlMs: 0, cacheScope: 'private' });
    case 'resources/read':
      return answer(id, {
        contents: [{ uri: params['uri'], text: 'a page' }],
        ttlMs: 0,
        cacheScope: 'private',
      });
    case 'tools/call':
      return call(id, params, meta);
    case 'subscriptions/listen': {
      const filter = isObject(params['notifications']) ? params['notifications'] : {};
      listening.set(id, filter);
      const _meta = { [`${KEY}subscriptionId`]: id };
      return notify('notifications/subscriptions/acknowledged', { _meta, notifications: filter });
    }
    default:
      return refuse(id, -32601, `Method not found: ${method}`);
  }
}

function receive(message: Message): void {
  const params = message.params ?? {};
  if (message.method === 'notifications/cancelled') {
    const id = params['requestId'] as Id;
    if (held.delete(id)) cancelled++;
    else listening.delete(id);
    return;
  }
  if (!isRequest(message)) return void faults.push(`sent ${JSON.stringify(message)}`);
  const meta = isObject(params['_meta']) ? params['_meta'] : {};
  if (message.method === 'initialize') return refuse(message.id, -32601, 'Method not found: initialize');
  if (meta[`${KEY}protocolVersion`] !== VERSION || !isObject(meta[`${KEY}clientCapabilities`])) {
    faults.push(`asked for ${message.method} without its version and abilities`);
    return refuse(message.id, -32602, 'Invalid params: _meta');
  }
  serve(message.id, message.method, params, meta);
}

const [, , file] = process.argv;
if (file !== undefined) appendFileSync(file, `${process.pid}\n`);
for await (const line of createInterface({ input: process.stdin })) {
  if (line.trim() !== '') receive(JSON.parse(line));
}
