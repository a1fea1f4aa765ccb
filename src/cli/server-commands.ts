import { McpServerSchema } from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import {
  TestMcpServerResponse_Era as Era,
  RefreshMcpServerResponseSchema,
  type TestMcpServerResponse,
  TestMcpServerResponseSchema,
} from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { ExitCode } from './exit.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import { allServers, byName, type Management, messageJson } from './management.ts';
import { createRequest, type NewServer } from './new-server.ts';
import { serverDetails, serverTable } from './server-view.ts';
import { fields } from './table.ts';

export async function addServer(io: Io, options: GlobalOptions, management: Management, spec: NewServer) {
  const { server } = await management.createMcpServer(createRequest(spec));
  if (server === undefined) return;
  print(io, options, messageJson(McpServerSchema, server), () => `Added ${server.name}.`);
  if (!options.json) io.err(`Try it: dragon server test ${server.name}\n`);
}

export async function listServers(io: Io, options: GlobalOptions, management: Management) {
  const servers = await allServers(management);
  const json = servers.map((server) => messageJson(McpServerSchema, server));
  print(io, options, json, () => serverTable(servers));
}

export async function getServer(io: Io, options: GlobalOptions, management: Management, name: string) {
  const { server } = await management.getMcpServer({ server: byName(name) });
  if (server === undefined) return;
  print(io, options, messageJson(McpServerSchema, server), () => serverDetails(server));
}

export async function removeServer(io: Io, options: GlobalOptions, management: Management, name: string) {
  await management.deleteMcpServer({ server: byName(name) });
  print(io, options, {}, () => `Removed ${name}.`);
}

/** Exit code 1 where the server fails its test. */
export async function testServer(io: Io, options: GlobalOptions, management: Management, name: string) {
  const response = await management.testMcpServer({ server: byName(name) });
  print(io, options, messageJson(TestMcpServerResponseSchema, response), () => testText(name, response));
  return response.outcome.case === 'success' ? ExitCode.Ok : ExitCode.Failed;
}

export async function refreshServer(io: Io, options: GlobalOptions, management: Management, name: string) {
  const response = await management.refreshMcpServer({ server: byName(name) });
  print(io, options, messageJson(RefreshMcpServerResponseSchema, response), () => {
    const { toolCount, resourceCount, resourceTemplateCount, promptCount } = response;
    return (
      `Refreshed ${name}: ${toolCount} tools, ${resourceCount} resources, ` +
      `${resourceTemplateCount} resource templates, ${promptCount} prompts.`
    );
  });
}

function testText(name: string, { outcome, latency }: TestMcpServerResponse): string {
  const milliseconds = Math.round(Number(latency?.seconds ?? 0n) * 1e3 + (latency?.nanos ?? 0) / 1e6);
  if (outcome.case !== 'success') {
    return `${name} fails after ${milliseconds} ms: ${outcome.value?.error ?? 'no reason given'}`;
  }
  const { era, protocolVersion, serverInfo, capabilities, toolCount } = outcome.value;
  return `${name} works.\n${fields([
    ['server', `${text(serverInfo?.['name'])} ${text(serverInfo?.['version'])}`],
    ['protocol', `${protocolVersion}, ${era === Era.MODERN ? 'without sessions' : 'with sessions'}`],
    ['capabilities', Object.keys(capabilities ?? {}).join(', ') || '(none)'],
    ['tools', String(toolCount)],
    ['latency', `${milliseconds} ms`],
  ])}`;
}

function text(value: unknown): string {
  return typeof value === 'string' ? value : '';
}
