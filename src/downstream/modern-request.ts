import type { RequestMessage } from '../protocol/envelope.ts';
import { type Capabilities, editMeta, envelopeEdits } from '../protocol/modern/meta.ts';
import type { ModernVersion } from '../protocol/modern/versions.ts';
import type { ClientIdentity } from './handshake.ts';

/** A request of the gateway's own in the form of the modern era. */
export function enveloped(
  request: RequestMessage,
  identity: ClientIdentity,
  protocolVersion: ModernVersion,
  clientCapabilities: Capabilities = {},
): RequestMessage {
  const envelope = {
    protocolVersion,
    clientInfo: { ...identity },
    clientCapabilities,
    logLevel: undefined,
  };
  const text = editMeta(request.text, envelopeEdits(envelope));
  if (text === undefined) throw new TypeError('a request of our own has a key twice');
  return { ...request, text };
}
