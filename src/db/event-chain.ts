import { hash } from 'node:crypto';
import type { StoredEvent } from '../events/event.ts';

/** A tenant's events in the order in which they were stored, each bound to all before it. */
export interface ChainPlace {
  /** From 1. */
  readonly ordinal: number;
  /** Over the event and the hash before: SHA-256 in base64url. Before the first: empty. */
  readonly hash: string;
}

export const CHAIN_START: ChainPlace = { ordinal: 0, hash: '' };

/** The place of an event behind another. Whatever of a row is changed, this comes out another. */
export function nextPlace(before: ChainPlace, event: StoredEvent): ChainPlace {
  const ordinal = before.ordinal + 1;
  const content = [
    ordinal,
    event.id,
    event.time,
    event.tenantId,
    event.userId ?? null,
    event.type,
    event.action,
    event.outcome,
    event.server ?? null,
    event.tool ?? null,
    event.session ?? null,
    event.node,
    event.durationUs ?? null,
    event.requestBytes ?? null,
    event.answerBytes ?? null,
    event.detail ?? null,
  ];
  return { ordinal, hash: hash('sha256', before.hash + JSON.stringify(content), 'base64url') };
}
