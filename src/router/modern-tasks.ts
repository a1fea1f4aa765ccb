import type { Snapshot } from '../catalog/snapshot.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { hasTasks, readTaskRequest, requireTasks } from '../protocol/modern/tasks.ts';
import type { ModernExchange } from './modern-exchange.ts';

/** `tasks/get`, `tasks/update` and `tasks/cancel`: to the server that the task's id names. */
export function forwardTask(exchange: ModernExchange, { sources }: Snapshot): void {
  const { message, caller } = exchange;
  requireTasks(caller.meta.clientCapabilities);
  const { serverId, taskId, text } = readTaskRequest(message);
  const source = sources.find(({ server }) => server.id === serverId);
  // What older servers call tasks is something else.
  if (source === undefined || (source.catalog !== undefined && !hasTasks(source.catalog.capabilities)))
    throw new GatewayError(Code.InvalidParams, 'Unknown task');
  exchange.relay(source.server, text, { name: taskId });
}
