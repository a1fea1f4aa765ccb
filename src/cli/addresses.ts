import { isIP } from 'node:net';
import { loadConfig } from '../config.ts';
import { usageError } from './exit.ts';
import type { GlobalOptions, Io } from './io.ts';

/** Base URL of the management API: the flag, else what a gateway started with this environment listens on. */
export function managementUrl(io: Io, options: GlobalOptions): string {
  if (options.managementUrl !== undefined) return httpUrl('--management-url', options.managementUrl);
  const { host, grpcPort } = loadConfig(io.env);
  return local(host, grpcPort, '', 'DRAGON_GRPC_PORT=0 is any free port; tell which with --management-url');
}

/** URL of the MCP endpoint, found in the same way. */
export function mcpUrl(io: Io, options: GlobalOptions): string {
  if (options.mcpUrl !== undefined) return httpUrl('--mcp-url', options.mcpUrl);
  const { host, mcpPort } = loadConfig(io.env);
  return local(host, mcpPort, '/mcp', 'DRAGON_MCP_PORT=0 is any free port; tell which with --mcp-url');
}

/** What is sent to show who calls; undefined for nothing. */
export function apiKeyOf(io: Io, options: GlobalOptions): string | undefined {
  const key = options.apiKey ?? io.env['DRAGON_API_KEY']?.trim();
  if (key === undefined || key === '') return undefined;
  if (/^[\w.~+/-]+=*$/.test(key)) return key;
  throw usageError(`${options.apiKey === undefined ? 'DRAGON_API_KEY' : '--api-key'}: this is not a key`);
}

function local(host: string, port: number, path: string, unknownPort: string): string {
  if (port === 0) throw usageError(unknownPort);
  return `http://${reachable(host)}:${port}${path}`;
}

/** A gateway that listens on every address is called on loopback. */
function reachable(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1';
  if (host === '::') return '[::1]';
  return isIP(host) === 6 ? `[${host}]` : host;
}

function httpUrl(flag: string, value: string): string {
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol)) {
    throw usageError(`${flag}: "${value}" is not an http:// or https:// URL`);
  }
  return value.replace(/\/+$/, '');
}
