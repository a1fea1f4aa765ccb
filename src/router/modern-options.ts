import type { Principal } from '../auth/principal.ts';
import type { ModernConnector } from '../downstream/modern-port.ts';
import type { ExchangeOptions, UnderWay } from './exchange.ts';
import type { LegacyCalls } from './modern-caller.ts';
import type { ResourceHub } from './modern-hub.ts';
import type { Listeners } from './modern-listeners.ts';

/** What requests of the modern era are served with. */
export interface ModernOptions extends ExchangeOptions {
  readonly modern: ModernConnector;
  readonly legacy: LegacyCalls;
  /** The gateway's `Implementation` as JSON text. */
  readonly implementation: string;
  readonly hub: ResourceHub;
  readonly listeners: Listeners;
  /** Requests that are not answered. */
  readonly underWay: Map<UnderWay, Principal>;
}
