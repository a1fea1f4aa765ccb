import type { LoginRecord } from '../db/oauth-record.ts';
import type { AccessToken } from '../downstream/credentials.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import { digestOf, grantOf } from './grant-digest.ts';

/** What is known of one server's log-in. */
export interface KnownLogin {
  readonly record: LoginRecord | undefined;
  readonly token: AccessToken | undefined;
  /** Milliseconds since 1970 from which it is to be renewed; infinite where it need or can not be. */
  renewAt: number;
}

/** A token is renewed so long before it ends, or in the last fifth of its time where that is shorter. */
const EARLY_MS = 60_000;

/** After a renewal that failed for a reason that may pass. */
export const AGAIN_MS = 15_000;

/** A server that refuses what was just renewed costs no renewal for so long, in milliseconds, on all nodes. */
const REJECTED_MS = 60_000;

/** When a token that ends then is to be renewed; both in milliseconds since 1970. */
export function renewalOf(endsAt: number): number {
  return endsAt - Math.min(EARLY_MS, (endsAt - Date.now()) / 5);
}

/**
 * A token is for the address that it was got for, and not for where the server is said to be since; and it is used as long as it
 * would be got the same way.
 */
export function tokenFor(server: DownstreamServer, { record, token }: KnownLogin): AccessToken | undefined {
  const tokens = record?.tokens;
  if (tokens?.url !== urlOf(server)) return undefined;
  return tokens.grant === digestOf(grantOf(server)) ? token : undefined;
}

export function urlOf({ target }: DownstreamServer): string {
  return target.kind === 'http' ? target.url : '';
}

/** Somebody who had logged in is not made nobody in silence, where the server would serve that, too. */
export function isOver(server: DownstreamServer, { record }: KnownLogin): boolean {
  return record?.state === 'expired' && record.url === urlOf(server);
}

export function isRejected({ record }: KnownLogin): boolean {
  return (record?.tokens?.rejectedAt ?? 0) > Date.now() - REJECTED_MS;
}

export function knownOf(record: LoginRecord | undefined): KnownLogin {
  const tokens = record?.tokens;
  // What is over is looked at each time.
  if (record === undefined || tokens === undefined)
    return { record, token: undefined, renewAt: record?.state === 'expired' ? 0 : Infinity };
  const token: AccessToken = {
    header: ['authorization', `Bearer ${tokens.accessToken}`],
    version: record.version,
  };
  // What can't be renewed is sent for as long as the server takes it.
  const isRenewable = tokens.refreshToken !== undefined || tokens.grant !== undefined;
  if (!isRenewable || tokens.expiresAt === undefined) return { record, token, renewAt: Infinity };
  return { record, token, renewAt: renewalOf(tokens.expiresAt) };
}
