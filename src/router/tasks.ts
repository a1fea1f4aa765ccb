import type { Snapshot, Source } from '../catalog/snapshot.ts';
import { call, ownRequest } from '../downstream/call.ts';
import { callDeadlines } from '../downstream/call-deadlines.ts';
import type { AnswerSink, DownstreamServer } from '../downstream/port.ts';
import { isObject, own, resultText, stringParam } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { arrayElements, locate } from '../protocol/json-text.ts';
import { decodeTaskId, encodeTaskId, translateTaskIds } from '../protocol/task-id.ts';
import type { Exchange } from './exchange.ts';
import { relay, replaced } from './relay.ts';
import { RewriteSink } from './rewrite-sink.ts';

/** Where each method's result has the task's id. */
const RESULT_PATHS: Readonly<Record<string, readonly string[] | undefined>> = {
  'tasks/get': ['result', 'taskId'],
  'tasks/cancel': ['result', 'taskId'],
  'tasks/result': undefined,
};

/** `tasks/get`, `tasks/result` and `tasks/cancel`: to the server that the task's id names. */
export function forwardTask(exchange: Exchange, snapshot: Snapshot): void {
  const { message } = exchange;
  const task = decodeTaskId(stringParam(message.params, 'taskId'));
  const source = snapshot.sources.find(({ server }) => server.id === task?.serverId);
  if (task === undefined || source === undefined) throw new GatewayError(Code.InvalidParams, 'Unknown task');
  const sink = taskSink(exchange.sink, source.server, RESULT_PATHS[message.method]);
  relay(exchange, source.server, replaced(exchange, ['params', 'taskId'], task.taskId), sink);
}

/** Puts the task ids of an answer into the client's terms. */
export function taskSink(
  client: AnswerSink,
  server: DownstreamServer,
  path: readonly string[] | undefined,
): AnswerSink {
  return new RewriteSink(client, (text) =>
    translateTaskIds(text, path, (taskId) => encodeTaskId(server.id, taskId)),
  );
}

/** `tasks/list`: the tasks of all servers, one server's page at a time; a cursor says where to go on. */
export async function listTasks(exchange: Exchange, snapshot: Snapshot): Promise<void> {
  const { conversation, message, options } = exchange;
  const servers = snapshot.sources.filter(canList).map(({ server }) => server);
  const at = position(servers, message.params === undefined ? undefined : own(message.params, 'cursor'));
  if (at === undefined) return exchange.answer(resultText(message.id, '{"tasks":[]}'));
  const link = await conversation.link(at.server);
  const request = ownRequest('tasks/list', at.cursor === undefined ? undefined : { cursor: at.cursor });
  const deadlines = callDeadlines(options.deadlines, at.server);
  const { text, result } = await call(link, request, deadlines, new AbortController().signal);
  const theirs = isObject(result) ? own(result, 'nextCursor') : undefined;
  const following = servers[servers.indexOf(at.server) + 1];
  const next =
    typeof theirs === 'string' ? encodePosition(at.server, theirs) : following && encodePosition(following);
  const tail = next === undefined ? '' : `,"nextCursor":${JSON.stringify(next)}`;
  exchange.answer(resultText(message.id, `{"tasks":[${tasksOf(text, at.server).join(',')}]${tail}}`));
}

/** The tasks in a server's answer as JSON text, under the ids that the client knows. */
function tasksOf(answer: string, server: DownstreamServer): string[] {
  const span = locate(answer, ['result', 'tasks']);
  if (span === undefined) return [];
  return arrayElements(answer, span.start).map(({ start, end }) =>
    translateTaskIds(answer.slice(start, end), ['taskId'], (taskId) => encodeTaskId(server.id, taskId)),
  );
}

function canList({ catalog }: Source): boolean {
  const tasks = catalog === undefined ? undefined : own(catalog.capabilities, 'tasks');
  return isObject(tasks) && own(tasks, 'list') !== undefined;
}

function encodePosition(server: DownstreamServer, cursor?: string): string {
  return Buffer.from(JSON.stringify(cursor === undefined ? [server.id] : [server.id, cursor])).toString(
    'base64url',
  );
}

/** The server to ask and its own cursor. Undefined where no server has tasks. Throws InvalidParams for a cursor that isn't ours. */
function position(
  servers: readonly DownstreamServer[],
  cursor: unknown,
): { readonly server: DownstreamServer; readonly cursor: unknown } | undefined {
  if (cursor === undefined) return servers[0] && { server: servers[0], cursor: undefined };
  const [id, theirs] = typeof cursor === 'string' ? decoded(cursor) : [];
  const server = servers.find((each) => each.id === id);
  if (server === undefined) {
    throw new GatewayError(Code.InvalidParams, 'Invalid params: "cursor" is not one of this list');
  }
  return { server, cursor: theirs };
}

function decoded(cursor: string): readonly unknown[] {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString());
    return Array.isArray(value) ? value : [];
  } catch {
    return [];
  }
}
