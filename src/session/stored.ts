import type { Principal } from '../auth/principal.ts';
import type { LoadedSession, StoredSession } from '../coordination/session-store.ts';
import { isLegacyVersion, LATEST_LEGACY, type SessionVersion, SSE_VERSION } from '../protocol/versions.ts';
import { randomToken } from './random-token.ts';
import { type ClientHello, FRESH, type SessionState } from './session.ts';

/** A session in the form that every node reads. */
export function toStored(id: string, principal: Principal, hello: ClientHello): StoredSession {
  const { tenantId, userId, roles, keyId } = principal;
  const streamKey = randomToken(16);
  const key = keyId === undefined ? {} : { keyId };
  return { id, tenantId, userId, roles, ...key, ...hello, createdAt: Date.now(), streamKey };
}

/** Of a session that no node has used yet. */
export function freshState({ streamKey }: StoredSession): SessionState {
  return { ...FRESH, streamKey };
}

export function fromStored({ session, logLevel, links, subscriptions }: LoadedSession): {
  readonly principal: Principal;
  readonly hello: ClientHello;
  readonly state: SessionState;
} {
  const { tenantId, userId, roles, keyId, clientInfo, capabilities, streamKey } = session;
  return {
    principal: { tenantId, userId, roles, ...(keyId === undefined ? {} : { keyId }) },
    hello: { protocolVersion: versionFrom(session.protocolVersion), clientInfo, capabilities },
    state: { streamKey, logLevel, links, subscriptions },
  };
}

/** A node of a newer version may have negotiated one that this node doesn't know; our newest is the closest to it. */
function versionFrom(value: string): SessionVersion {
  return isLegacyVersion(value) || value === SSE_VERSION ? value : LATEST_LEGACY;
}
