import type { Owner } from '../auth/principal.ts';
import type { ServerManager } from '../catalog/types.ts';
import type { PageRequest, ServerRecord } from '../db/server-record.ts';
import type { McpServerRef } from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

const LOOKUP_PAGE_SIZE = 1000;

/** The owner's server that a reference names. Throws NotFound. */
export async function resolveServer(
  servers: ServerManager,
  owner: Owner,
  reference: McpServerRef | undefined,
): Promise<ServerRecord> {
  const ref = reference?.ref;
  switch (ref?.case) {
    case 'id':
      return await servers.get(owner, ref.value);
    case 'name':
      return await findByName(servers, owner, ref.value);
    default:
      // Validation has refused a request without one.
      throw new GatewayError(Code.InvalidArgument, 'server: give an id or a name', {
        fields: [{ field: 'server', description: 'give an id or a name' }],
      });
  }
}

/** Owners have tens of servers, so nearly always one page holds them all. */
async function findByName(servers: ServerManager, owner: Owner, name: string): Promise<ServerRecord> {
  let request: PageRequest = { pageSize: LOOKUP_PAGE_SIZE };
  for (;;) {
    const page = await servers.page(owner, request);
    const found = page.items.find((record) => record.name === name);
    if (found !== undefined) return found;
    if (page.nextPageToken === undefined) {
      throw new GatewayError(Code.NotFound, `No server is named "${name}"`);
    }
    request = { pageSize: LOOKUP_PAGE_SIZE, pageToken: page.nextPageToken };
  }
}
