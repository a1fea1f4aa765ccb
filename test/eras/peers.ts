import {
  Client as V2Client,
  StreamableHTTPClientTransport as V2Transport,
} from '@modelcontextprotocol/client';
import { Client as V1Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as V1Transport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import {
  CreateMessageRequestSchema,
  ElicitRequestSchema,
  ListRootsRequestSchema,
  LoggingMessageNotificationSchema,
  PromptListChangedNotificationSchema,
  ResourceUpdatedNotificationSchema,
  ToolListChangedNotificationSchema,
} from '@modelcontextprotocol/sdk/types.js';
import type { Era } from '../fixture/server.ts';

/** What a client is asked, and what it heard. */
interface Heard {
  readonly asked: string[];
  readonly notifications: string[];
}

/** A client of either era, as tests use it: the same calls, whichever library is behind them. */
export interface EraClient {
  readonly heard: Heard;
  tools(): Promise<readonly string[]>;
  call(name: string, args?: Readonly<Record<string, unknown>>, options?: CallOptions): Promise<string>;
  resources(): Promise<readonly string[]>;
  read(uri: string): Promise<unknown>;
  prompts(): Promise<readonly string[]>;
  prompt(name: string, args: Readonly<Record<string, string>>): Promise<unknown>;
  complete(prompt: string, argument: string, value: string): Promise<readonly string[]>;
  /** Wants log messages of this level and above. */
  log(level: 'info'): Promise<void>;
  /** Wants to hear of changes, and of this resource. */
  listen(uri: string): Promise<void>;
  close(): Promise<void>;
}

interface CallOptions {
  readonly onProgress?: (progress: number) => void;
  readonly signal?: AbortSignal;
}

const IDENTITY = { name: 'eras', version: '1' };
const CAPABILITIES = { elicitation: {}, sampling: {}, roots: {} };
const FORM = {
  action: 'accept',
  content: { username: 'ada', name: 'Ada', email: 'ada@example.org' },
} as const;
const SAMPLED = {
  role: 'assistant',
  model: 'a model',
  content: { type: 'text', text: 'sampled' },
} as const;
const ROOTS = { roots: [{ uri: 'file:///project', name: 'project' }] };

function textOf(result: object): string {
  const content = 'content' in result && Array.isArray(result.content) ? result.content : [];
  const [first] = content as { readonly text?: string }[];
  return first?.text ?? '';
}

export function connectEra(era: Era, url: string): Promise<EraClient> {
  return era === 'legacy' ? connectLegacy(url) : connectModern(url);
}

async function connectLegacy(url: string): Promise<EraClient> {
  const heard: Heard = { asked: [], notifications: [] };
  const client = new V1Client(IDENTITY, { capabilities: CAPABILITIES });
  const asked = <T>(what: string, answer: T) => {
    heard.asked.push(what);
    return answer;
  };
  client.setRequestHandler(ElicitRequestSchema, async () => asked('elicitation', FORM));
  client.setRequestHandler(CreateMessageRequestSchema, async () => asked('sampling', SAMPLED));
  client.setRequestHandler(ListRootsRequestSchema, async () => asked('roots', ROOTS));
  for (const schema of [
    LoggingMessageNotificationSchema,
    ToolListChangedNotificationSchema,
    PromptListChangedNotificationSchema,
    ResourceUpdatedNotificationSchema,
  ])
    client.setNotificationHandler(schema, ({ method }) => void heard.notifications.push(method));
  // The SDK's own types do not agree under exactOptionalPropertyTypes.
  await client.connect(new V1Transport(new URL(url)) as Parameters<V1Client['connect']>[0]);
  return {
    heard,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}, { onProgress, signal } = {}) => {
      const options = {
        ...(onProgress === undefined
          ? {}
          : { onprogress: ({ progress }: { progress: number }) => onProgress(progress) }),
        ...(signal === undefined ? {} : { signal }),
      };
      return textOf(await client.callTool({ name, arguments: args }, undefined, options));
    },
    resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    read: (uri) => client.readResource({ uri }),
    prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    prompt: (name, args) => client.getPrompt({ name, arguments: args }),
    complete: async (prompt, name, value) => {
      const ref = { type: 'ref/prompt' as const, name: prompt };
      return (await client.complete({ ref, argument: { name, value } })).completion.values;
    },
    log: async (level) => void (await client.setLoggingLevel(level)),
    listen: async (uri) => void (await client.subscribeResource({ uri })),
    close: () => client.close(),
  };
}

async function connectModern(url: string): Promise<EraClient> {
  const heard: Heard = { asked: [], notifications: [] };
  const client = new V2Client(IDENTITY, {
    capabilities: CAPABILITIES,
    versionNegotiation: { mode: { pin: '2026-07-28' } },
  });
  const asked = <T>(what: string, answer: T) => {
    heard.asked.push(what);
    return answer;
  };
  client.setRequestHandler('elicitation/create', async () => asked('elicitation', FORM));
  client.setRequestHandler('sampling/createMessage', async () => asked('sampling', SAMPLED));
  client.setRequestHandler('roots/list', async () => asked('roots', ROOTS));
  for (const method of [
    'notifications/message',
    'notifications/tools/list_changed',
    'notifications/prompts/list_changed',
    'notifications/resources/updated',
  ] as const)
    client.setNotificationHandler(method, () => void heard.notifications.push(method));
  await client.connect(new V2Transport(new URL(url)));
  let meta = {};
  return {
    heard,
    tools: async () => (await client.listTools()).tools.map(({ name }) => name),
    call: async (name, args = {}, { onProgress, signal } = {}) => {
      const options = {
        ...(onProgress === undefined
          ? {}
          : { onprogress: ({ progress }: { progress: number }) => onProgress(progress) }),
        ...(signal === undefined ? {} : { signal }),
      };
      return textOf(await client.callTool({ name, arguments: args, _meta: meta }, options));
    },
    resources: async () => (await client.listResources()).resources.map(({ uri }) => uri),
    read: (uri) => client.readResource({ uri }),
    prompts: async () => (await client.listPrompts()).prompts.map(({ name }) => name),
    prompt: (name, args) => client.getPrompt({ name, arguments: args }),
    complete: async (prompt, name, value) => {
      const ref = { type: 'ref/prompt' as const, name: prompt };
      return (await client.complete({ ref, argument: { name, value } })).completion.values;
    },
    log: async (level) => {
      meta = { 'io.modelcontextprotocol/logLevel': level };
    },
    listen: async (uri) =>
      void (await client.listen({
        toolsListChanged: true,
        promptsListChanged: true,
        resourceSubscriptions: [uri],
      })),
    close: () => client.close(),
  };
}
