import { z } from 'zod';
import type { Route, Snapshot } from '../catalog/snapshot.ts';
import { isObject, own, type RequestMessage, replaceAt, stringParam } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { locate, objectMembers } from '../protocol/json-text.ts';
import { hasTwins } from '../protocol/json-twins.ts';
import { asksForTask } from '../protocol/task-id.ts';
import { builtinResult, toolError } from './builtin-link.ts';
import {
  type BuiltinTool,
  builtinTool,
  EXEC_TOOL,
  execToolInput,
  findSource,
  type LookingTool,
} from './builtin-tools.ts';
import type { Exchange, ToolCall } from './exchange.ts';
import { withinLimits } from './limited.ts';
import { orWhenSettled, relayRenamed, unknown } from './relay.ts';
import { taskSink } from './tasks.ts';

/** `tools/call`: by its public name to the server that has the tool. */
export function callTool(exchange: Exchange, snapshot: Snapshot): void | Promise<void> {
  const name = stringParam(exchange.message.params, 'name');
  const route = snapshot.tools.get(name);
  if (route === undefined) return orWhenSettled(exchange, callTool, absent(snapshot, name));
  if (route.server.target.kind === 'builtin') {
    if (route.key === EXEC_TOOL) return execTool(exchange, snapshot);
    const tool = builtinTool(route.key);
    if (tool !== undefined && 'look' in tool) {
      return withinLimits(exchange, [route.server.name], route.key, () => look(exchange, snapshot, tool));
    }
  }
  const refusal = route.condition && refusedArguments(route, argumentsOf(exchange.message));
  if (refusal !== undefined) return refuse(exchange, refusal);
  return withinLimits(exchange, [route.server.name], route.key, () => relayCall(exchange, route, name));
}

function relayCall(exchange: Exchange, route: Route, name: string): void {
  const { sink, message } = exchange;
  const isTask = isForTask(exchange);
  const client = isTask ? taskSink(sink, route.server, ['result', 'task', 'taskId']) : sink;
  // A task would be made twice.
  const isRepeatable = !isTask && saysRepeatable(route);
  relayRenamed(exchange, route, ['params', 'name'], name, {
    client,
    tool: toolCall(route, message),
    isRepeatable,
  });
}

function toolCall({ listed }: Route, { params }: RequestMessage): ToolCall {
  return { listed, args: params && own(params, 'arguments') };
}

/** Tasks that clients ask for are of the legacy era; in the modern one a server makes them by itself. */
function isForTask({ face, message }: Exchange): boolean {
  return face === 'legacy' && asksForTask(message.params);
}

/** Whether the tool says that it changes nothing, or nothing more when it is called once more (2025-11-25, ToolAnnotations). */
function saysRepeatable({ listed }: Route): boolean {
  const annotations = own(listed.entry, 'annotations');
  if (!isObject(annotations)) return false;
  return own(annotations, 'readOnlyHint') === true || own(annotations, 'idempotentHint') === true;
}

/** A built-in tool that says what exists for its caller. */
async function look(exchange: Exchange, snapshot: Snapshot, tool: BuiltinTool & LookingTool): Promise<void> {
  const result = await builtinResult(tool, exchange.message, (input) => tool.look(input, snapshot));
  exchange.result(JSON.stringify(result), result.isError === true ? 'tool_error' : 'ok');
}

/** Why a tool may not be called with these arguments. A key that stands twice in them is refused: the server may read the other one. */
function refusedArguments({ condition }: Route, args: string): string | undefined {
  if (condition === undefined) return undefined;
  return hasTwins(args) ? 'A member of the arguments stands twice' : condition(JSON.parse(args));
}

function argumentsOf({ text }: RequestMessage): string {
  const span = locate(text, ['params', 'arguments']);
  return span === undefined ? '{}' : text.slice(span.start, span.end);
}

/** For the model to read: it may find arguments that are allowed. */
function refuse(exchange: Exchange, reason: string): void {
  exchange.result(JSON.stringify(toolError(reason)), 'denied');
}

/** `exec_tool` becomes the call it stands for, with its id, its progress and all that the tool may ask. */
function execTool(exchange: Exchange, snapshot: Snapshot): void | Promise<void> {
  const { message } = exchange;
  const found = findExecuted(message, snapshot);
  if (found instanceof GatewayError) {
    return exchange.result(JSON.stringify(toolError(found.message)), 'tool_error');
  }
  const { key, server: target } = found;
  const renamed = replaceAt(message, ['params', 'name'], JSON.stringify(key));
  const args = execArguments(message.text);
  const text =
    renamed === undefined || args === undefined
      ? undefined
      : replaceAt({ text: renamed }, ['params', 'arguments'], args);
  if (text === undefined || args === undefined)
    throw new GatewayError(Code.InvalidRequest, 'Invalid Request: a member stands twice');
  const refusal = refusedArguments(found, args);
  if (refusal !== undefined) return refuse(exchange, refusal);
  return withinLimits(exchange, [target.name], key, () =>
    exchange.relay(target, text, {
      tool: { listed: found.listed, args: JSON.parse(args) },
      isRepeatable: !isForTask(exchange) && saysRepeatable(found),
    }),
  );
}

/** What is to be called; or what is wrong with the arguments, which is for the model to read, as with the other built-in tools. */
function findExecuted({ params }: RequestMessage, snapshot: Snapshot): Route | GatewayError {
  const input = execToolInput.safeParse((params && own(params, 'arguments')) ?? {});
  if (!input.success)
    return new GatewayError(Code.InvalidParams, `Invalid arguments: ${z.prettifyError(input.error)}`);
  try {
    return findTool(snapshot, input.data.server, input.data.tool);
  } catch (error) {
    if (error instanceof GatewayError && error.code === Code.InvalidParams) return error;
    throw error;
  }
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
  // Its own name first: it may be the public name of another tool.
  const routes = [...snapshot.tools].filter(([, route]) => route.server.id === source.server.id);
  const found =
    routes.find(([, route]) => route.key === tool) ?? routes.find(([publicName]) => publicName === tool);
  if (found === undefined) throw unknown('tool', tool);
  return found[1];
}

/** A tool that nobody lists. Where its name has the prefix of a server that is down, that is the reason. */
function absent(snapshot: Snapshot, name: string): GatewayError {
  const down = snapshot.sources.find(
    ({ server, catalog }) =>
      catalog === undefined && server.prefix !== '' && name.startsWith(`${server.prefix}__`),
  );
  if (down !== undefined) return unavailable(down.server.name, down.error);
  return unknown('tool', name, snapshot.restriction?.hides('tools', name));
}

function unavailable(serverName: string, reason: string | undefined): GatewayError {
  return new GatewayError(
    Code.DownstreamUnavailable,
    reason ?? `Server "${serverName}" has not answered yet; try again`,
  );
}
