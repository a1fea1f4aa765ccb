import { isObject, own } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { NOT_CACHED } from '../protocol/modern/result.ts';
import { isModernVersion } from '../protocol/modern/versions.ts';
import { DOWNSTREAM_VERSIONS, LATEST_LEGACY } from '../protocol/versions.ts';
import { ownRequest } from './call.ts';
import type { Discovery } from './modern-port.ts';
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

/** What a server of the modern era says of itself, in the form of a handshake: of a version that no handshake has. */
export function handshakeOf({ version, capabilities, serverInfo, instructions }: Discovery): ServerHandshake {
  return {
    protocolVersion: version,
    capabilities,
    serverInfo,
    ...(instructions === undefined ? {} : { instructions }),
  };
}

/** The way back; undefined for a handshake of the legacy era. */
export function discoveryOf(handshake: ServerHandshake): Discovery | undefined {
  const { protocolVersion: version, capabilities, serverInfo, instructions } = handshake;
  if (!isModernVersion(version)) return undefined;
  return { version, capabilities, serverInfo, instructions, cache: NOT_CACHED };
}

function wrong(serverName: string, problem: string): GatewayError {
  return new GatewayError(Code.DownstreamProtocol, `Server "${serverName}": ${problem}`);
}
