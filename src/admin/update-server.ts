import type { Principal } from '../auth/principal.ts';
import type { ServerManager } from '../catalog/types.ts';
import type { ServerRecord } from '../db/server-record.ts';
import type { UpdateMcpServerRequest } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { withFieldsUnder } from './field-paths.ts';
import { toServerPatch } from './server-input.ts';
import { resolveServer } from './server-ref.ts';

/** Of several that change one server at once, one gets through each time; more than so many would be a loop somewhere. */
const ATTEMPTS = 20;

/**
 * Changes a server as it is stored. What one field becomes may depend on what others are, so the change is worked out
 * from one revision and made to that revision or, where somebody was faster, worked out again. Throws Conflict where
 * somebody is faster time after time.
 */
export async function updateServer(
  servers: ServerManager,
  principal: Principal,
  request: UpdateMcpServerRequest,
): Promise<ServerRecord> {
  for (let attempt = 1; ; attempt++) {
    const stored = await resolveServer(servers, principal, request.server);
    const patch = { ...toServerPatch(request, stored), revision: stored.revision };
    try {
      return await withFieldsUnder('changes', () => servers.update(principal, stored.id, patch));
    } catch (error) {
      const isLate = error instanceof GatewayError && error.code === Code.Conflict;
      if (!isLate || attempt === ATTEMPTS) throw error;
    }
  }
}
