import type { Principal } from '../auth/principal.ts';
import type { ServerManager } from '../catalog/types.ts';

/** What the management API is built over. */
export interface TurnstileDependencies {
  readonly servers: ServerManager;
  /** Who makes a request with these headers. Throws Forbidden where nobody may. */
  principalOf(headers: Headers): Promise<Principal>;
}
