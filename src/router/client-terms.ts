import { aliasUri, type Snapshot } from '../catalog/snapshot.ts';
import type { DownstreamServer } from '../downstream/port.ts';
import {
  isId,
  isObject,
  type Message,
  type NotificationMessage,
  own,
  type RequestMessage,
  replaceAt,
} from '../protocol/envelope.ts';
import { encodeHomeId } from '../protocol/home-id.ts';
import { decodeTaskId, encodeTaskId, translateTaskIds } from '../protocol/task-id.ts';

/**
 * A message of a server's in the terms of the client: ids, progress tokens and tasks say whose they are, and a resource
 * that an earlier server's hides goes by its alias. Undefined for what is not for clients.
 */
export function inClientTerms(
  server: DownstreamServer,
  message: Message,
  snapshot: Snapshot | undefined,
): string | undefined {
  if (message.kind === 'response') return undefined;
  const text =
    message.kind === 'request' ? requestText(server, message) : notificationText(server, message, snapshot);
  const taskPath = message.method === 'notifications/tasks/status' ? ['params', 'taskId'] : undefined;
  return text && translateTaskIds(text, taskPath, (taskId) => encodeTaskId(server.id, taskId));
}

/** A message of the client's as a server may see it: tasks of the server's by the server's own ids. */
export function inServerTerms(serverId: string, text: string): string {
  return translateTaskIds(text, undefined, (taskId) => {
    const task = decodeTaskId(taskId);
    return task?.serverId === serverId ? task.taskId : undefined;
  });
}

function requestText(server: DownstreamServer, message: RequestMessage): string | undefined {
  const text = replaceAt(message, ['id'], homeOf(server, message.id));
  const meta = message.params === undefined ? undefined : own(message.params, '_meta');
  const token = isObject(meta) ? own(meta, 'progressToken') : undefined;
  if (text === undefined || !isId(token)) return text;
  return replaceAt({ text }, ['params', '_meta', 'progressToken'], homeOf(server, token));
}

function notificationText(
  server: DownstreamServer,
  message: NotificationMessage,
  snapshot: Snapshot | undefined,
): string | undefined {
  if (message.method === 'notifications/cancelled') {
    // A server that cancels its own request names it by its own id; the client knows it by ours.
    const id = message.params === undefined ? undefined : own(message.params, 'requestId');
    return isId(id) ? replaceAt(message, ['params', 'requestId'], homeOf(server, id)) : undefined;
  }
  if (message.method !== 'notifications/resources/updated') return message.text;
  const uri = message.params === undefined ? undefined : own(message.params, 'uri');
  const holder = typeof uri === 'string' ? snapshot?.resources.get(uri) : undefined;
  if (typeof uri !== 'string' || holder === undefined || holder.server.id === server.id) return message.text;
  return replaceAt(message, ['params', 'uri'], JSON.stringify(aliasUri(server.id, uri)));
}

function homeOf(server: DownstreamServer, id: string | number): string {
  return JSON.stringify(encodeHomeId(server.id, id));
}
