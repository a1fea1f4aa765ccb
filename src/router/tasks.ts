import type { Snapshot, Source } from '../catalog/snapshot.ts';
import type { AnswerSink, DownstreamServer } from '../downstream/port.ts';
import { isObject, own, requestText, stringParam } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { arrayElements, locate, splice } from '../protocol/json-text.ts';
import { decodeTaskId, encodeTaskId, translateTaskIds } from '../protocol/task-id.ts';
import { replaced } from './relay.ts';
import { RewriteSink } from './rewrite-sink.ts';
import type { SessionExchange } from './session-exchange.ts';

/** Where each method's result has the task's id. */
const RESULT_PATHS: Readonly<Record<string, readonly string[] | undefined>> = {
  'tasks/get': ['result', 'taskId'],
  'tasks/cancel': ['result', 'taskId'],
  'tasks/result': undefined,
};

/** `tasks/get`, `tasks/result` and `tasks/cancel`: to the server that the task's id names. */
export function forwardTask(exchange: SessionExchange, snapshot: Snapshot): void {
  const { message } = exchange;
  const task = decodeTaskId(stringParam(message.params, 'taskId'));
  const source = snapshot.sources.find(({ server }) => server.id === task?.serverId);
  if (task === undefined || source === undefined) throw new GatewayError(Code.InvalidParams, 'Unknown task');
  const sink = taskSink(exchange.sink, source.server, RESULT_PATHS[message.method]);
  exchange.relay(source.server, replaced(exchange, ['params', 'taskId'], task.taskId), {
    client: sink,
    isRepeatable: message.method !== 'tasks/cancel',
  });
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
export function listTasks(exchange: SessionExchange, snapshot: Snapshot): void {
  const { message, sink } = exchange;
  const servers = snapshot.sources.filter(canList).map(({ server }) => server);
  if (servers[0] === undefined) throw new GatewayError(Code.MethodNotFound, 'Method not found: tasks/list');
  const { server, cursor } = position(servers, message.params && own(message.params, 'cursor'));
  const following = servers[servers.indexOf(server) + 1];
  const request = requestText(message.id, message.method, { ...message.params, cursor });
  const client = new RewriteSink(sink, (answer) => taskPage(answer, server, following));
  exchange.relay(server, request, { client, isRepeatable: true });
}

/** A server's page as one of ours: under the ids that the client knows, and with a cursor that says whose page is next. */
function taskPage(answer: string, server: DownstreamServer, following: DownstreamServer | undefined): string {
  const tasks = locate(answer, ['result', 'tasks']);
  if (tasks === undefined) return answer;
  const list = `[${tasksOf(answer, tasks.start, server).join(',')}]`;
  const cursor = locate(answer, ['result', 'nextCursor']);
  const theirs: unknown = cursor && JSON.parse(answer.slice(cursor.start, cursor.end));
  const next =
    typeof theirs === 'string' ? encodePosition(server, theirs) : following && encodePosition(following);
  if (next === undefined) return splice(answer, tasks, list);
  if (cursor === undefined) return splice(answer, tasks, `${list},"nextCursor":${JSON.stringify(next)}`);
  const edits = [
    { span: tasks, text: list },
    { span: cursor, text: JSON.stringify(next) },
  ];
  // The later one first, so that the other still stands where it stood.
  return edits
    .sort((a, b) => b.span.start - a.span.start)
    .reduce((text, edit) => splice(text, edit.span, edit.text), answer);
}

function tasksOf(answer: string, from: number, server: DownstreamServer): string[] {
  return arrayElements(answer, from).map(({ start, end }) =>
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

/** The server to ask and its own cursor. Throws InvalidParams for a cursor that isn't ours. */
function position(
  servers: readonly DownstreamServer[],
  cursor: unknown,
): { readonly server: DownstreamServer; readonly cursor: unknown } {
  const [id, theirs] = typeof cursor === 'string' ? decoded(cursor) : [];
  const server = cursor === undefined ? servers[0] : servers.find((each) => each.id === id);
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
