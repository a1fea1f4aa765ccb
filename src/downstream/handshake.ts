import { isObject, own } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { DOWNSTREAM_VERSIONS, LATEST_LEGACY } from '../protocol/versions.ts';
import { ownRequest } from './call.ts';
import type { ServerHandshake } from './port.ts';

/** How the gateway introduces itself to servers. */
export interface ClientIdentity {
  readonly name: string;
  readonly version: string;
}

export function initializeRequest(identity: ClientIdentity, capabilities: Readonly<Record<string, unknown>>) {
  return ownRequest('initialize', { protocolVersion: LATEST_LEGACY, capabilities, clientInfo: identity });
}

/** Checks the result of `initialize`. Throws DownstreamProtocol naming what is wrong with it. */
export function readHandshake(serverName: string, result: unknown): ServerHandshake {
  if (!isObject(result)) throw wrong(serverName, 'its initialize result is not an object');
  const protocolVersion = own(result, 'protocolVersion');
  if (typeof protocolVersion !== 'string' || !DOWNSTREAM_VERSIONS.includes(protocolVersion)) {
    throw wrong(
      serverName,
      `it speaks MCP version ${JSON.stringify(protocolVersion)?.slice(0, 40)}, which is not supported`,
    );
  }
  const capabilities = own(result, 'capabilities') ?? {};
  const serverInfo = own(result, 'serverInfo') ?? {};
  if (!isObject(capabilities) || !isObject(serverInfo))
    throw wrong(serverName, 'its initialize result is malformed');
  const instructions = own(result, 'instructions');
  return {
    protocolVersion,
    capabilities,
    serverInfo,
    ...(typeof instructions === 'string' ? { instructions } : {}),
  };
}

function wrong(serverName: string, problem: string): GatewayError {
  return new GatewayError(Code.DownstreamProtocol, `Server "${serverName}": ${problem}`);
}
