import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { StdioCommand } from '../support/stdio-commands.ts';

const PROGRAMS = {
  everything: import.meta.resolve('@modelcontextprotocol/server-everything/dist/index.js'),
  filesystem: import.meta.resolve('@modelcontextprotocol/server-filesystem/dist/index.js'),
  memory: import.meta.resolve('@modelcontextprotocol/server-memory/dist/index.js'),
};
const SAY_PORT = new URL('./say-port.ts', import.meta.url);

/** What every real server is started with; the same as a gateway gives the processes it starts in tests. */
export const SERVER_ENV = { HOME: process.env['HOME'] ?? '', PATH: process.env['PATH'] ?? '' };

/** How to start a published server on stdin and stdout. */
export function realServer(name: keyof typeof PROGRAMS, ...args: string[]): StdioCommand {
  return { command: process.execPath, args: [programOf(name), ...args] };
}

export interface RealHttpServer {
  readonly url: string;
  close(): Promise<void>;
}

/** server-everything on a free port. `sse` is the older HTTP+SSE transport. */
export async function startEverything(transport: 'streamableHttp' | 'sse'): Promise<RealHttpServer> {
  const child = fork(programOf('everything'), [transport], {
    execArgv: ['--import', SAY_PORT.href],
    env: { ...SERVER_ENV, PORT: '0' },
    stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
  });
  const closed = once(child, 'close');
  const ended = closed.then(() => {
    throw new Error(`server-everything ended before it listened (code ${child.exitCode})`);
  });
  ended.catch(() => {});
  const [port] = (await Promise.race([once(child, 'message'), ended])) as [number];
  return {
    url: `http://127.0.0.1:${port}/${transport === 'sse' ? 'sse' : 'mcp'}`,
    async close() {
      child.kill();
      await closed;
    },
  };
}

function programOf(name: keyof typeof PROGRAMS): string {
  return fileURLToPath(PROGRAMS[name]);
}
