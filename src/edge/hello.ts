import { isObject, own, type RequestMessage, stringParam } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { SessionVersion } from '../protocol/versions.ts';
import type { ClientHello } from '../session/session.ts';

/** What a client says of itself in `initialize`. Throws InvalidParams naming what is wrong. */
export function readHello(
  { params }: RequestMessage,
  negotiate: (offered: string) => SessionVersion,
): ClientHello {
  const offered = stringParam(params, 'protocolVersion');
  const capabilities = (params && own(params, 'capabilities')) ?? {};
  const clientInfo = (params && own(params, 'clientInfo')) ?? {};
  if (!isObject(capabilities)) throw mustBeObject('capabilities');
  if (!isObject(clientInfo)) throw mustBeObject('clientInfo');
  return { protocolVersion: negotiate(offered), capabilities, clientInfo };
}

function mustBeObject(name: string): GatewayError {
  return new GatewayError(Code.InvalidParams, `Invalid params: "${name}" must be an object`);
}
