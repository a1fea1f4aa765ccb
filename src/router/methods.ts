import { resourceCandidates, type Snapshot } from '../catalog/snapshot.ts';
import { isObject, own, type Params, stringParam } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Exchange } from './exchange.ts';
import { withinLimits } from './limited.ts';
import { orWhenSettled, relayRenamed, replaced, resourceNotFound, unknown } from './relay.ts';
import { readResource } from './resources.ts';
import type { SessionExchange } from './session-exchange.ts';
import { forwardTask, listTasks } from './tasks.ts';
import { callTool } from './tools.ts';

export type Handler<E extends Exchange> = (exchange: E, snapshot: Snapshot) => void | Promise<void>;

/** Methods that change nothing may be run again. */
const READ = { isRepeatable: true };

const LOG_LEVELS = ['debug', 'info', 'notice', 'warning', 'error', 'critical', 'alert', 'emergency'];

/** Who answers what. A method that is not here is not known. */
export const METHODS: ReadonlyMap<string, Handler<SessionExchange>> = new Map<
  string,
  Handler<SessionExchange>
>([
  ['ping', (exchange) => exchange.result('{}')],
  ['tools/list', list('tools')],
  ['prompts/list', list('prompts')],
  ['resources/list', list('resources')],
  ['resources/templates/list', list('resourceTemplates')],
  ['tools/call', callTool],
  ['prompts/get', getPrompt],
  ['resources/read', readResource],
  ['resources/subscribe', (exchange, snapshot) => subscribe(exchange, snapshot, true)],
  ['resources/unsubscribe', (exchange, snapshot) => subscribe(exchange, snapshot, false)],
  ['completion/complete', complete],
  ['logging/setLevel', setLevel],
  ['tasks/get', forwardTask],
  ['tasks/result', forwardTask],
  ['tasks/cancel', forwardTask],
  ['tasks/list', listTasks],
]);

function list(kind: keyof Snapshot['pages']): Handler<SessionExchange> {
  return (exchange, snapshot) => {
    const { message } = exchange;
    const cursor = message.params === undefined ? undefined : own(message.params, 'cursor');
    exchange.page(snapshot.pages[kind].page(cursor));
  };
}

export function getPrompt(exchange: Exchange, snapshot: Snapshot): void | Promise<void> {
  const { message } = exchange;
  const name = stringParam(message.params, 'name');
  const route = snapshot.prompts.get(name);
  if (route === undefined)
    return orWhenSettled(
      exchange,
      getPrompt,
      unknown('prompt', name, snapshot.restriction?.hides('prompts', name)),
    );
  return withinLimits(exchange, [route.server.name], undefined, () =>
    relayRenamed(exchange, route, ['params', 'name'], name, { ...READ, name: route.key }),
  );
}

function subscribe(exchange: SessionExchange, snapshot: Snapshot, on: boolean): void {
  const uri = stringParam(exchange.message.params, 'uri');
  const [owner] = resourceCandidates(snapshot, uri);
  if (owner === undefined) throw resourceNotFound(uri);
  const text = replaced(exchange, ['params', 'uri'], owner.uri);
  exchange.conversation.subscribed(owner.server.id, owner.uri, on);
  exchange.relay(owner.server, text);
}

export function complete(exchange: Exchange, snapshot: Snapshot): void {
  const { params } = exchange.message;
  const ref = params === undefined ? undefined : own(params, 'ref');
  if (!isObject(ref)) throw new GatewayError(Code.InvalidParams, 'Invalid params: "ref" must be an object');
  switch (own(ref, 'type')) {
    case 'ref/prompt': {
      const name = stringParam(ref, 'name');
      const route = snapshot.prompts.get(name);
      if (route === undefined) throw unknown('prompt', name, snapshot.restriction?.hides('prompts', name));
      return relayRenamed(exchange, route, ['params', 'ref', 'name'], name, READ);
    }
    case 'ref/resource':
      return completeResource(exchange, snapshot, ref);
    default:
      throw new GatewayError(
        Code.InvalidParams,
        'Invalid params: "ref.type" must be "ref/prompt" or "ref/resource"',
      );
  }
}

function completeResource(exchange: Exchange, snapshot: Snapshot, ref: Params): void {
  const uri = stringParam(ref, 'uri');
  const template = snapshot.templates.get(uri);
  if (template !== undefined) return relayRenamed(exchange, template, ['params', 'ref', 'uri'], uri, READ);
  const [owner] = resourceCandidates(snapshot, uri);
  if (owner === undefined) throw resourceNotFound(uri);
  exchange.relay(owner.server, replaced(exchange, ['params', 'ref', 'uri'], owner.uri), READ);
}

async function setLevel(exchange: SessionExchange): Promise<void> {
  const { conversation, message } = exchange;
  const level = stringParam(message.params, 'level');
  if (!LOG_LEVELS.includes(level)) {
    throw new GatewayError(
      Code.InvalidParams,
      `Invalid params: "level" must be one of ${LOG_LEVELS.join(', ')}`,
    );
  }
  await conversation.setLogLevel(level);
  exchange.result('{}');
}
