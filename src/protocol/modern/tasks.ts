import { type RequestMessage, stringParam } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { decodeTaskId, encodeTaskId, translateTaskIds } from '../task-id.ts';
import { missingOf, requireCapabilities, TASKS } from './capabilities.ts';
import { editRequest } from './json-edit.ts';
import type { Capabilities } from './meta.ts';
import { resultTypeOf } from './result.ts';

/** The tasks extension of the modern era (SEP-2663). Tasks of 2025-11-25 are another thing, under some of the same names. */

const METHODS: ReadonlySet<string> = new Set(['tasks/get', 'tasks/update', 'tasks/cancel']);

export function isTaskMethod(method: string): boolean {
  return METHODS.has(method);
}

const NEEDED: Capabilities = { extensions: { [TASKS]: {} } };

/** Whether a side that declares this has the extension. */
export function hasTasks(declared: Capabilities): boolean {
  return missingOf(NEEDED, declared) === undefined;
}

/** Throws MissingCapability for a client without the extension. */
export function requireTasks(declared: Capabilities): void {
  requireCapabilities(NEEDED, declared);
}

/** A request about a task, on its way to the server whose task it is. */
export interface TaskRequest {
  readonly serverId: string;
  /** As the server knows it; also what `Mcp-Name` is to say. */
  readonly taskId: string;
  readonly text: string;
}

/** Reads `tasks/get`, `tasks/update` or `tasks/cancel`. Throws InvalidParams for a task id that is not one of ours. */
export function readTaskRequest(message: RequestMessage): TaskRequest {
  const task = decodeTaskId(stringParam(message.params, 'taskId'));
  if (task === undefined) throw new GatewayError(Code.InvalidParams, 'Unknown task');
  const text = editRequest(message.text, { params: [['taskId', JSON.stringify(task.taskId)]] });
  if (text === undefined)
    throw new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice');
  return { ...task, text };
}

/** A server's response with the id of the task in it in the client's terms. `method`: of the request that it answers. */
export function taskResponseForClient(response: string, method: string, serverId: string): string {
  // Elsewhere a member of this name is a tool's own business.
  const isTask = method === 'tasks/get' || resultTypeOf(response) === 'task';
  return translateTaskIds(response, isTask ? ['result', 'taskId'] : undefined, (taskId) =>
    encodeTaskId(serverId, taskId),
  );
}

/** A `notifications/tasks` of a server's in the client's terms. */
export function taskNotificationForClient(notification: string, serverId: string): string {
  return translateTaskIds(notification, ['params', 'taskId'], (taskId) => encodeTaskId(serverId, taskId));
}
