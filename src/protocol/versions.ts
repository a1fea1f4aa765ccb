/** Versions of MCP in which a session begins with `initialize`, newest first. */
export const LEGACY_VERSIONS = ['2025-11-25', '2025-06-18', '2025-03-26'] as const;

export type LegacyVersion = (typeof LEGACY_VERSIONS)[number];

/** The version of the older HTTP+SSE transport, spoken on that transport only. */
export const SSE_VERSION = '2024-11-05';

/** Any version that a session can be in. */
export type SessionVersion = LegacyVersion | typeof SSE_VERSION;

/** Versions we can be a client of: servers in the field still answer with the first one. */
export const DOWNSTREAM_VERSIONS: readonly string[] = [...LEGACY_VERSIONS, SSE_VERSION];

export const LATEST_LEGACY: LegacyVersion = LEGACY_VERSIONS[0];

/** What the absence of an `MCP-Protocol-Version` header means (2025-11-25, transports: Protocol Version Header). */
export const ASSUMED_VERSION: LegacyVersion = '2025-03-26';

export function isLegacyVersion(value: string): value is LegacyVersion {
  return (LEGACY_VERSIONS as readonly string[]).includes(value);
}

/** The answer to a client's offer: the same version where we speak it, else our newest (2025-11-25, lifecycle: Version Negotiation). */
export function negotiate(offered: string): LegacyVersion {
  return isLegacyVersion(offered) ? offered : LATEST_LEGACY;
}

/** JSON-RPC batches exist in one version only. */
export function hasBatches(version: SessionVersion): boolean {
  return version === '2025-03-26';
}

/** Whether streams begin with an event that has an id and no data. Clients of earlier versions take its empty data for JSON. */
export function hasPriming(version: SessionVersion): boolean {
  return version === '2025-11-25';
}
