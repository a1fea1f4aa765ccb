import type { Principal } from '../auth/principal.ts';
import type { ServerManager } from '../catalog/types.ts';
import type { ServerRecord } from '../db/server-record.ts';
import type { McpServerRef } from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

/** The owner's server that a reference names. Throws NotFound. */
export async function resolveServer(
  servers: ServerManager,
  principal: Principal,
  reference: McpServerRef | undefined,
): Promise<ServerRecord> {
  const ref = reference?.ref;
  switch (ref?.case) {
    case 'id':
      return await servers.get(principal, ref.value);
    case 'name':
      return await servers.findByName(principal, ref.value);
    default:
      // Validation has refused a request without one.
      throw new GatewayError(Code.InvalidArgument, 'server: give an id or a name', {
        fields: [{ field: 'server', description: 'give an id or a name' }],
      });
  }
}
