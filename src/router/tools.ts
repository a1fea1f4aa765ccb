import { z } from 'zod';
import type { Route, Snapshot } from '../catalog/snapshot.ts';
import { own, replaceAt, stringParam } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { locate, objectMembers } from '../protocol/json-text.ts';
import { asksForTask } from '../protocol/task-id.ts';
import { EXEC_TOOL, execToolInput, findSource } from './builtin-tools.ts';
import type { Exchange } from './exchange.ts';
import { orWhenSettled, relay, relayRenamed, unknown } from './relay.ts';
import { taskSink } from './tasks.ts';

/** `tools/call`: by its public name to the server that has the tool. */
export function callTool(exchange: Exchange, snapshot: Snapshot): void | Promise<void> {
  const name = stringParam(exchange.message.params, 'name');
  const route = snapshot.tools.get(name);
  if (route === undefined) return orWhenSettled(exchange, callTool, absent(snapshot, name));
  if (route.server.target.kind === 'builtin' && route.key === EXEC_TOOL) return execTool(exchange, snapshot);
  const { sink, message } = exchange;
  const client = asksForTask(message.params)
    ? taskSink(sink, route.server, ['result', 'task', 'taskId'])
    : sink;
  relayRenamed(exchange, route, ['params', 'name'], name, client, route.key);
}

/** `exec_tool` becomes the call it stands for, with its id, its progress and all that the tool may ask. */
function execTool(exchange: Exchange, snapshot: Snapshot): void {
  const { message } = exchange;
  const input = execToolInput.safeParse((message.params && own(message.params, 'arguments')) ?? {});
  if (!input.success)
    throw new GatewayError(Code.InvalidParams, `Invalid arguments: ${z.prettifyError(input.error)}`);
  const { server, tool } = input.data;
  const { key, server: target } = findTool(snapshot, server, tool);
  const renamed = replaceAt(message, ['params', 'name'], JSON.stringify(key));
  const args = execArguments(message.text);
  const text =
    renamed === undefined || args === undefined
      ? undefined
      : replaceAt({ text: renamed }, ['params', 'arguments'], args);
  if (text === undefined)
    throw new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice');
  relay(exchange, target, text, exchange.sink, key);
}

/** The arguments for the tool, as text; undefined where a key stands twice, so that what was checked is not what is called. */
function execArguments(text: string): string | undefined {
  const own = locate(text, ['params', 'arguments']);
  const members = own && objectMembers(text, own.start);
  if (members === undefined) return undefined;
  const given = members.get('arguments');
  return given === undefined ? '{}' : text.slice(given.start, given.end);
}

function findTool(snapshot: Snapshot, server: string, tool: string): Route {
  const source = findSource(snapshot, server);
  if (source.catalog === undefined) throw unavailable(source.server.name, source.error);
  for (const [publicName, route] of snapshot.tools) {
    if (route.server.id === source.server.id && (route.key === tool || publicName === tool)) return route;
  }
  throw unknown('tool', tool);
}

/** A tool that nobody lists. Where its name has the prefix of a server that is down, that is the reason. */
function absent(snapshot: Snapshot, name: string): GatewayError {
  const down = snapshot.sources.find(
    ({ server, catalog }) =>
      catalog === undefined && server.prefix !== '' && name.startsWith(`${server.prefix}__`),
  );
  return down === undefined ? unknown('tool', name) : unavailable(down.server.name, down.error);
}

function unavailable(serverName: string, reason: string | undefined): GatewayError {
  return new GatewayError(
    Code.DownstreamUnavailable,
    reason ?? `Server "${serverName}" has not answered yet; try again`,
  );
}
