import type { ApiKeyManager } from '../auth/api-keys.ts';
import type { ServerManager } from '../catalog/types.ts';
import type { EventStore } from '../db/event-record.ts';
import type { ResealReport } from '../db/reseal.ts';
import type { EventLog } from '../events/event.ts';
import type { Logins } from '../oauth/logins.ts';
import type { Recorder } from '../recording/recorder.ts';
import type { SessionDependencies } from './sessions.ts';

/** What the management API is built over. */
export interface TurnstileDependencies extends SessionDependencies {
  readonly servers: ServerManager;
  readonly apiKeys: ApiKeyManager;
  readonly reseal: () => Promise<ResealReport>;
  /** Undefined: events are not kept. */
  readonly eventStore?: EventStore | undefined;
  readonly logins: Logins;
  readonly recorder: Recorder;
  /** Told of what callers change, and of who reads recordings. */
  readonly events?: EventLog;
}
