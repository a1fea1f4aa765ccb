import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createMCPClient } from '@ai-sdk/mcp';
import {
  Client as V2Client,
  StreamableHTTPClientTransport as V2Transport,
} from '@modelcontextprotocol/client';
import { Client as V1Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StreamableHTTPClientTransport as V1Transport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';
import { SERVER_ENV } from './real-servers.ts';

/** A client of somebody else's making; what it returns is what it makes of the gateway's answers. */
interface ForeignClient {
  /** Names, of all pages. */
  tools(): Promise<readonly string[]>;
  /** The result, with `content`. */
  callTool(name: string, args: Readonly<Record<string, unknown>>): Promise<unknown>;
  prompts(): Promise<readonly string[]>;
  /** The result, with `messages`. */
  getPrompt(name: string, args: Readonly<Record<string, string>>): Promise<unknown>;
  resources(): Promise<readonly string[]>;
  /** The result, with `contents`. */
  readResource(uri: string): Promise<unknown>;
  close(): Promise<void>;
}

type Connect = (url: string, home: string) => Promise<ForeignClient>;

const IDENTITY = { name: 'peers', version: '1' };

const named = (entries: readonly { readonly name: string }[]) => entries.map(({ name }) => name);
const addressed = (entries: readonly { readonly uri: string }[]) => entries.map(({ uri }) => uri);

export const FOREIGN_CLIENTS: Readonly<Record<string, Connect>> = {
  'the SDK v1 client': async (url) => {
    const client = new V1Client(IDENTITY);
    // The SDK's own types do not agree under exactOptionalPropertyTypes.
    await client.connect(new V1Transport(new URL(url)) as Parameters<V1Client['connect']>[0]);
    return {
      tools: async () => named((await client.listTools()).tools),
      callTool: (name, args) => client.callTool({ name, arguments: args }),
      prompts: async () => named((await client.listPrompts()).prompts),
      getPrompt: (name, args) => client.getPrompt({ name, arguments: args }),
      resources: async () => addressed((await client.listResources()).resources),
      readResource: (uri) => client.readResource({ uri }),
      close: () => client.close(),
    };
  },

  'the SDK v2 client': async (url) => {
    const client = new V2Client(IDENTITY, { versionNegotiation: { mode: 'legacy' } });
    await client.connect(new V2Transport(new URL(url)));
    return {
      tools: async () => named((await client.listTools()).tools),
      callTool: (name, args) => client.callTool({ name, arguments: args }),
      prompts: async () => named((await client.listPrompts()).prompts),
      getPrompt: (name, args) => client.getPrompt({ name, arguments: args }),
      resources: async () => addressed((await client.listResources()).resources),
      readResource: (uri) => client.readResource({ uri }),
      close: () => client.close(),
    };
  },

  'the AI SDK': async (url) => {
    const client = await createMCPClient({ transport: { type: 'http', url } });
    return {
      tools: async () => Object.keys(await client.tools()),
      callTool: async (name, args) => {
        const tool = (await client.tools())[name];
        if (tool?.execute === undefined) throw new Error(`No tool ${name}`);
        return tool.execute(args, { toolCallId: 'call-1', messages: [], context: {} });
      },
      prompts: async () => named((await client.listPrompts()).prompts),
      getPrompt: (name, args) => client.getPrompt({ name, arguments: { ...args } }),
      resources: async () => addressed((await client.listResources()).resources),
      readResource: (uri) => client.readResource({ uri }),
      close: () => client.close(),
    };
  },

  'the Inspector CLI': async (url, home) => {
    const run = async (method: string, ...args: string[]) => {
      const target = ['--cli', url, '--transport', 'http', '--method', method];
      const options = {
        // It keeps a catalog of its own under the home folder.
        env: { ...SERVER_ENV, HOME: home },
        timeout: 60_000,
      };
      const ended = promisify(execFile)(process.execPath, [INSPECTOR, ...target, ...args], options);
      const { stdout } = await ended.catch((error) => {
        // A tool's error is a result like any other, printed before the exit code that tells of it.
        if (error.code !== TOOL_ERROR) throw error;
        return error as { readonly stdout: string };
      });
      return JSON.parse(stdout);
    };
    const pairs = (args: Readonly<Record<string, unknown>>) =>
      Object.entries(args).map(
        ([key, value]) => `${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
      );
    return {
      tools: async () => named((await run('tools/list')).tools),
      callTool: (name, args) => run('tools/call', '--tool-name', name, '--tool-arg', ...pairs(args)),
      prompts: async () => named((await run('prompts/list')).prompts),
      getPrompt: (name, args) => run('prompts/get', '--prompt-name', name, '--prompt-args', ...pairs(args)),
      resources: async () => addressed((await run('resources/list')).resources),
      readResource: (uri) => run('resources/read', '--uri', uri),
      close: async () => {},
    };
  },
};

/** Exit code of the Inspector for a result with `isError`. */
const TOOL_ERROR = 5;

const INSPECTOR = fileURLToPath(
  import.meta.resolve('@modelcontextprotocol/inspector/clients/launcher/build/index.js'),
);
