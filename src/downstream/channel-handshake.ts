import { Code, GatewayError } from '../protocol/errors.ts';
import { call, ownNotification } from './call.ts';
import type { Opening } from './channel.ts';
import { type ClientIdentity, initializeRequest, readHandshake } from './handshake.ts';
import type { Discovery } from './modern-port.ts';
import { probe } from './modern-probe.ts';
import type { Deadlines, ServerHandshake } from './port.ts';
import { TextSink } from './text-sink.ts';

/** The handshake of the legacy era; the channel is in use afterwards. Throws what the downstream port throws. */
export async function initialize(
  opening: Opening,
  identity: ClientIdentity,
  clientCapabilities: Readonly<Record<string, unknown>>,
  deadlines: Deadlines,
  signal: AbortSignal,
): Promise<ServerHandshake> {
  const { server, channel } = opening;
  const { result } = await call(opening, initializeRequest(identity, clientCapabilities), deadlines, signal);
  const handshake = readHandshake(server.name, result);
  const { closings } = opening;
  await channel.writeFirst(ownNotification('notifications/initialized').text);
  if (opening.closings !== closings) {
    throw new GatewayError(
      Code.DownstreamUnavailable,
      `Server "${server.name}" has gone right after its handshake`,
    );
  }
  opening.use('legacy');
  return handshake;
}

/**
 * What a server of the modern era says of itself; the channel is in use afterwards. Undefined for the legacy era. Throws as
 * {@link probe} does.
 */
export async function discover(
  opening: Opening,
  identity: ClientIdentity,
  deadlines: Deadlines,
): Promise<Discovery | undefined> {
  const discovery = await probe(
    opening.server.name,
    identity,
    (request) =>
      new Promise((resolve, reject) => {
        opening.request(request, new TextSink(resolve, reject), deadlines);
      }),
  );
  if (discovery !== undefined) opening.use('modern');
  return discovery;
}
