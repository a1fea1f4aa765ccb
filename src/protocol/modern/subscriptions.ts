import { type Id, isObject, own, type Params } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { TASKS } from './capabilities.ts';
import { editAt } from './json-edit.ts';
import { MetaKey } from './keys.ts';

/** The request that stays open to be told news. */
export const LISTEN = 'subscriptions/listen';

/** News that a client asks for with `subscriptions/listen` (2026-07-28, subscriptions; SEP-2663 for tasks). */
export interface SubscriptionFilter {
  readonly toolsListChanged: boolean;
  readonly promptsListChanged: boolean;
  readonly resourcesListChanged: boolean;
  readonly resourceSubscriptions: readonly string[];
  readonly taskIds: readonly string[];
}

const LISTS = ['toolsListChanged', 'promptsListChanged', 'resourcesListChanged'] as const;
const NAMED = ['resourceSubscriptions', 'taskIds'] as const;

/** What a filter asks of the client's own abilities; to be required before it is honoured. */
export function neededForFilter(filter: SubscriptionFilter): Params {
  return filter.taskIds.length === 0 ? {} : { extensions: { [TASKS]: {} } };
}

/** Reads the filter of a listen request. What it does not know in it is not asked for. Throws InvalidParams. */
export function readFilter(params: Params | undefined): SubscriptionFilter {
  const asked = params === undefined ? undefined : own(params, 'notifications');
  if (!isObject(asked)) throw invalid('"notifications" must be an object');
  return {
    toolsListChanged: flag(asked, 'toolsListChanged'),
    promptsListChanged: flag(asked, 'promptsListChanged'),
    resourcesListChanged: flag(asked, 'resourcesListChanged'),
    resourceSubscriptions: strings(asked, 'resourceSubscriptions'),
    taskIds: strings(asked, 'taskIds'),
  };
}

/** What can be honoured. Resources and tasks may be honoured one by one. */
export interface Offer {
  readonly toolsListChanged: boolean;
  readonly promptsListChanged: boolean;
  readonly resourcesListChanged: boolean;
  readonly canWatch: (uri: string) => boolean;
  readonly canFollow: (taskId: string) => boolean;
}

/** The part of a filter that is honoured, in the client's terms. */
export function honoured(filter: SubscriptionFilter, offer: Offer): SubscriptionFilter {
  return {
    toolsListChanged: filter.toolsListChanged && offer.toolsListChanged,
    promptsListChanged: filter.promptsListChanged && offer.promptsListChanged,
    resourcesListChanged: filter.resourcesListChanged && offer.resourcesListChanged,
    resourceSubscriptions: filter.resourceSubscriptions.filter(offer.canWatch),
    taskIds: filter.taskIds.filter(offer.canFollow),
  };
}

/** Whether there is nothing in it that could ever be told. */
export function isEmptyFilter(filter: SubscriptionFilter): boolean {
  return LISTS.every((key) => !filter[key]) && NAMED.every((key) => filter[key].length === 0);
}

/** Whether a notification, in the client's terms, is what the filter asks for. Nothing else may go on its stream. */
export function wants(filter: SubscriptionFilter, method: string, params: Params | undefined): boolean {
  switch (method) {
    case 'notifications/tools/list_changed':
      return filter.toolsListChanged;
    case 'notifications/prompts/list_changed':
      return filter.promptsListChanged;
    case 'notifications/resources/list_changed':
      return filter.resourcesListChanged;
    case 'notifications/resources/updated': {
      const uri = params === undefined ? undefined : own(params, 'uri');
      return typeof uri === 'string' && filter.resourceSubscriptions.some((each) => covers(each, uri));
    }
    case 'notifications/tasks': {
      const taskId = params === undefined ? undefined : own(params, 'taskId');
      return typeof taskId === 'string' && filter.taskIds.includes(taskId);
    }
    default:
      return false;
  }
}

/** The first message on the stream: what is honoured. */
export function acknowledgement(listenId: Id, filter: SubscriptionFilter): string {
  return `{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{"_meta":${idMeta(listenId)},"notifications":${filterText(filter)}}}`;
}

/** The filter as it goes on the wire, to clients and to servers: only what is in it. */
export function filterText(filter: SubscriptionFilter): string {
  const parts: Record<string, unknown> = {};
  for (const key of LISTS) if (filter[key]) parts[key] = true;
  for (const key of NAMED) if (filter[key].length > 0) parts[key] = filter[key];
  return JSON.stringify(parts);
}

/**
 * Makes a notification's text into one for any number of streams: it is read once, and each stream's id is put in. A
 * server's own stream id is replaced. Undefined where a key stands twice or `_meta` is no object.
 */
export function forStreams(notification: string): ((listenId: Id) => string) | undefined {
  const stamped = editAt(notification, ['params', '_meta'], [[MetaKey.SubscriptionId, HOLE]]);
  if (stamped === undefined) return undefined;
  const at = stamped.indexOf(HOLE);
  const [before, after] = [stamped.slice(0, at), stamped.slice(at + HOLE.length)];
  return (listenId) => before + JSON.stringify(listenId) + after;
}

/** A character that no JSON text has. */
const HOLE = '\0';

/** Which of our listen requests a server's notification belongs to; undefined where it does not say. */
export function subscriptionIdOf(params: Params | undefined): unknown {
  const meta = params === undefined ? undefined : own(params, '_meta');
  return isObject(meta) ? own(meta, MetaKey.SubscriptionId) : undefined;
}

/** The answer to a listen request: the stream ends, and it was meant to. `serverInfo`: JSON text. */
export function listenResult(listenId: Id, serverInfo: string): string {
  const id = JSON.stringify(listenId);
  const meta = `{"${MetaKey.SubscriptionId}":${id},"${MetaKey.ServerInfo}":${serverInfo}}`;
  return `{"jsonrpc":"2.0","id":${id},"result":{"resultType":"complete","_meta":${meta}}}`;
}

function idMeta(listenId: Id): string {
  return `{"${MetaKey.SubscriptionId}":${JSON.stringify(listenId)}}`;
}

/** A server may tell of a part of what is watched (2026-07-28, schema: ResourceUpdatedNotificationParams). */
function covers(watched: string, uri: string): boolean {
  if (!uri.startsWith(watched)) return false;
  return uri.length === watched.length || watched.endsWith('/') || uri.charCodeAt(watched.length) === 0x2f;
}

function flag(asked: Params, key: string): boolean {
  const value = own(asked, key);
  if (value !== undefined && typeof value !== 'boolean')
    throw invalid(`"notifications.${key}" must be a boolean`);
  return value === true;
}

function strings(asked: Params, key: string): readonly string[] {
  const value = own(asked, key);
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every((each) => typeof each === 'string'))
    throw invalid(`"notifications.${key}" must be an array of strings`);
  return [...new Set(value as string[])];
}

function invalid(problem: string): GatewayError {
  return new GatewayError(Code.InvalidParams, `Invalid params: ${problem}`);
}
