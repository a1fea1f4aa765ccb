import { type Message, own, type RequestMessage, replaceAt } from '../protocol/envelope.ts';
import { GatewayError } from '../protocol/errors.ts';
import { MetaKey } from '../protocol/modern/keys.ts';
import { LISTEN, readFilter, subscriptionIdOf } from '../protocol/modern/subscriptions.ts';
import { type Listening, type Pending, progressNumber } from './stdio-pending.ts';

/** Whether a request stays open to be told news; see {@link Listening}. */
export function listeningOf({ method, params }: RequestMessage): Listening | undefined {
  if (method !== LISTEN) return undefined;
  try {
    const { resourceSubscriptions, taskIds } = readFilter(params);
    return { text: '', needsServer: resourceSubscriptions.length > 0 || taskIds.length > 0 };
  } catch (error) {
    if (error instanceof GatewayError) return { text: '', needsServer: true };
    throw error;
  }
}

/** Whether a request, as a modern server sees it, asks for log messages. */
export function wantsLogs(text: string): boolean {
  return text.includes(MetaKey.LogLevel);
}

interface Addressed {
  readonly to: Pending;
  /** In the terms of whoever has sent the request. */
  readonly text: string;
}

/**
 * Which request a notification of a modern server's belongs to: on a pipe that all requests share, it says so by the
 * subscription's id or the progress token, both numbers of ours (2026-07-28, stdio: Receiving Messages). A log message may
 * say nothing; then it is given to the one request that asked for log messages, and to nobody where there are several.
 */
export function addressed(message: Message, pending: ReadonlyMap<number, Pending>): Addressed | undefined {
  if (message.kind !== 'notification') return undefined;
  const subscription = subscriptionIdOf(message.params);
  if (subscription !== undefined) {
    const to = typeof subscription === 'number' ? pending.get(subscription) : undefined;
    if (to?.listening === undefined) return undefined;
    return inTermsOf(to, message, ['params', '_meta', MetaKey.SubscriptionId], JSON.stringify(to.id));
  }
  const number = progressNumber(message);
  if (number !== undefined) {
    const to = pending.get(number);
    const token = to?.progressToken;
    if (to === undefined || token === undefined) return undefined;
    return inTermsOf(to, message, ['params', 'progressToken'], token);
  }
  if (message.method !== 'notifications/message') return undefined;
  let only: Pending | undefined;
  for (const each of pending.values()) {
    if (!each.wantsLogs) continue;
    if (only !== undefined) return undefined;
    only = each;
  }
  return only && { to: only, text: message.text };
}

/** The subscription that a server says it has ended, by our number (2026-07-28, cancellation). */
export function endedSubscription(message: Message): number | undefined {
  if (message.kind !== 'notification' || message.method !== 'notifications/cancelled') return undefined;
  const id = message.params === undefined ? undefined : own(message.params, 'requestId');
  return typeof id === 'number' ? id : undefined;
}

function inTermsOf(
  to: Pending,
  message: Message,
  path: readonly string[],
  value: string,
): Addressed | undefined {
  const text = replaceAt(message, path, value);
  return text === undefined ? undefined : { to, text };
}
