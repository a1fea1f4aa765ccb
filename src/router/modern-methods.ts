import type { Snapshot } from '../catalog/snapshot.ts';
import { own } from '../protocol/envelope.ts';
import { checkParamHeaders } from '../protocol/modern/param-headers.ts';
import { NOT_CACHED } from '../protocol/modern/result.ts';
import { complete, getPrompt, type Handler } from './methods.ts';
import { paramHeadersOf } from './mirrored.ts';
import type { ModernExchange } from './modern-exchange.ts';
import { listen } from './modern-listen.ts';
import { discover } from './modern-offer.ts';
import { forwardTask } from './modern-tasks.ts';
import { readResource } from './resources.ts';
import { callTool } from './tools.ts';

/** Who answers what in the modern era. A method that is not here is not known. */
export const MODERN_METHODS: ReadonlyMap<string, Handler<ModernExchange>> = new Map<
  string,
  Handler<ModernExchange>
>([
  ['server/discover', discover],
  ['tools/list', list('tools')],
  ['prompts/list', list('prompts')],
  ['resources/list', list('resources')],
  ['resources/templates/list', list('resourceTemplates')],
  ['tools/call', callCheckedTool],
  ['prompts/get', getPrompt],
  ['resources/read', readResource],
  ['completion/complete', complete],
  ['subscriptions/listen', listen],
  ['tasks/get', forwardTask],
  ['tasks/update', forwardTask],
  ['tasks/cancel', forwardTask],
]);

/** A server may come or change at any time, and each principal has its own. */
const LISTS_CACHE = { fallback: NOT_CACHED, isPrivate: true };

function list(kind: keyof Snapshot['pages']): Handler<ModernExchange> {
  return (exchange, snapshot) => {
    const { message, options } = exchange;
    const cursor = message.params === undefined ? undefined : own(message.params, 'cursor');
    const stampOf = () => ({ serverInfo: options.implementation, cache: LISTS_CACHE });
    exchange.page(snapshot.pages[kind].stampedPage(cursor, stampOf));
  };
}

/** Headers that repeat arguments must repeat them truly (2026-07-28, transports: Server Behavior for Custom Headers). */
function callCheckedTool(exchange: ModernExchange, snapshot: Snapshot): void | Promise<void> {
  const { params } = exchange.message;
  const name = params === undefined ? undefined : own(params, 'name');
  const route = typeof name === 'string' ? snapshot.tools.get(name) : undefined;
  if (route !== undefined) {
    const declared = paramHeadersOf(route.listed);
    if (declared.length > 0)
      checkParamHeaders(declared, params && own(params, 'arguments'), exchange.caller.headers);
  }
  return callTool(exchange, snapshot);
}
