import type { ApiKeyManager } from '../auth/api-keys.ts';
import type { ServerManager } from '../catalog/types.ts';

/** What the management API is built over. */
export interface TurnstileDependencies {
  readonly servers: ServerManager;
  readonly apiKeys: ApiKeyManager;
}
