import type { LoginChallenge } from '../db/oauth-record.ts';
import type { Discovered } from './discovery.ts';

/** Gives what outlives the person's session (OpenID Connect Core, 11). */
const OFFLINE = 'offline_access';

/**
 * What to ask for: what the server says that it wants, else all that it knows of, else nothing in particular
 * (2026-07-28, authorization: Scope Selection Strategy), beside what has been asked for before.
 */
export function scopesFor(
  challenge: LoginChallenge | undefined,
  { scopesSupported, server }: Discovered,
  before: readonly string[],
): readonly string[] {
  const wanted = challenge?.scopes ?? scopesSupported ?? [];
  const scopes = new Set([...before, ...wanted]);
  // Alone it would stand in the place of what the server gives to those who ask for nothing in particular.
  if (scopes.size > 0 && server.scopes_supported?.includes(OFFLINE)) scopes.add(OFFLINE);
  return [...scopes];
}
