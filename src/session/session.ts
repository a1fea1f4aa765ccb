import type { Principal } from '../auth/principal.ts';
import type { LegacyVersion } from '../protocol/versions.ts';
import { ClientStream } from './client-stream.ts';

/** What a client said of itself at `initialize`. */
export interface ClientHello {
  readonly protocolVersion: LegacyVersion;
  readonly clientInfo: Readonly<Record<string, unknown>>;
  readonly capabilities: Readonly<Record<string, unknown>>;
}

/** A session of the legacy era: from `initialize` to DELETE, or until nobody has used it for a while. */
export class Session {
  readonly id: string;
  readonly principal: Principal;
  readonly hello: ClientHello;
  readonly createdAt = new Date();
  readonly stream = new ClientStream();
  /** Milliseconds since the epoch. */
  lastUsed = Date.now();
  /** The client's last `logging/setLevel`. */
  logLevel: string | undefined;
  /** Ends a request that is under way, by its id as JSON text. */
  readonly inFlight = new Map<string, { cancel(): void }>();

  constructor(id: string, principal: Principal, hello: ClientHello) {
    this.id = id;
    this.principal = principal;
    this.hello = hello;
  }

  /** Whether a client is waiting for something, or listening. */
  get isBusy(): boolean {
    return this.inFlight.size > 0 || this.stream.isOpen;
  }
}
