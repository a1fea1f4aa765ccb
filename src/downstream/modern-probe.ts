import { type Message, parseMessage, type RequestMessage } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { type Probe, readDiscover, readDiscoverError } from '../protocol/modern/discover.ts';
import { LATEST_MODERN, type ModernVersion } from '../protocol/modern/versions.ts';
import { ownRequest } from './call.ts';
import type { ClientIdentity } from './handshake.ts';
import type { Discovery } from './modern-port.ts';
import { enveloped } from './modern-request.ts';

const MAX_DEPTH = 512;

/** A server of the modern era that speaks no version that is spoken here, or refuses to say anything. */
export class UnspeakableServer extends GatewayError {}

/** Answers a request of the gateway's with the text of the response; rejects where there is none. */
export type Ask = (request: RequestMessage, version: ModernVersion) => Promise<string>;

/**
 * Asks a server of which era it is: `server/discover` in the newest version, and once more in the one that it offers. Undefined
 * for the legacy era. Throws UnspeakableServer for a modern server that can't be spoken to, and whatever `ask` throws.
 */
export async function probe(
  serverName: string,
  identity: ClientIdentity,
  ask: Ask,
): Promise<Discovery | undefined> {
  let found = read(await ask(discoverRequest(identity, LATEST_MODERN), LATEST_MODERN), LATEST_MODERN);
  if (found.era === 'modern' && 'retryIn' in found) {
    const version = found.retryIn;
    found = read(await ask(discoverRequest(identity, version), version), version);
  }
  if (found.era === 'legacy') return undefined;
  if ('discovered' in found) return found.discovered;
  const problem = 'problem' in found ? found.problem : 'another version each time it was asked';
  throw new UnspeakableServer(
    Code.DownstreamProtocol,
    `Server "${serverName}" can't be spoken to: ${problem}`,
  );
}

/** `server/discover` as the gateway asks it. */
function discoverRequest(identity: ClientIdentity, version: ModernVersion): RequestMessage {
  return enveloped(ownRequest('server/discover', {}), identity, version);
}

function read(text: string, asked: ModernVersion): Probe {
  let message: Message;
  try {
    message = parseMessage(text, MAX_DEPTH);
  } catch (error) {
    if (error instanceof GatewayError) return { era: 'legacy' };
    throw error;
  }
  if (message.kind !== 'response') return { era: 'legacy' };
  if (message.error !== undefined) return readDiscoverError(message.error, asked);
  return readDiscover(message.result);
}
