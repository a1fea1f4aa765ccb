import type { Snapshot, Source } from '../catalog/snapshot.ts';
import { isObject, own, resultText } from '../protocol/envelope.ts';
import { discoverResult } from '../protocol/modern/discover.ts';
import { NOT_CACHED } from '../protocol/modern/result.ts';
import { commonOffer, joinInstructions } from './initialize.ts';
import type { ModernExchange } from './modern-exchange.ts';

/** `server/discover`: what the gateway is, and what its servers add up to. Not to be kept: a server may come at any time. */
export function discover(exchange: ModernExchange, { sources }: Snapshot): void {
  const instructions = joinInstructions(sources);
  const result = discoverResult({
    capabilities: { ...commonOffer(sources), ...extensionsOf(sources) },
    serverInfo: exchange.options.implementation,
    instructions: instructions === '' ? undefined : instructions,
    cache: NOT_CACHED,
  });
  exchange.answer(resultText(exchange.message.id, result));
}

/** Extensions work end to end: what one server has is offered, with the settings of the first that has it. */
function extensionsOf(sources: readonly Source[]): { extensions?: Readonly<Record<string, unknown>> } {
  const offers = sources
    .map(({ catalog }) => catalog && own(catalog.capabilities, 'extensions'))
    .filter(isObject);
  if (offers.length === 0) return {};
  return { extensions: Object.assign({}, ...[...offers].reverse()) };
}
