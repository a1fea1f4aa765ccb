import { Limited } from '../limits/limited.ts';
import type { Taken } from '../limits/limits.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Exchange } from './exchange.ts';

/**
 * Goes on with a call where limits let it in; `servers` are those that it may go to. What a node that is gone has sent
 * counted there, and does not count again.
 */
export function withinLimits(
  exchange: Exchange,
  servers: readonly [string, ...string[]],
  tool: string | undefined,
  go: () => void | Promise<void>,
): void | Promise<void> {
  const { limits } = exchange.options;
  if (limits === undefined || exchange.isAgain) return go();
  const { principal } = exchange;
  const entered =
    servers.length === 1 ? limits.enter(principal, servers[0], tool) : limits.enterAny(principal, servers);
  if (entered instanceof Promise) return wait(exchange, entered, go);
  if (entered instanceof Limited) return exchange.refuse(entered);
  exchange.taken = entered;
  return go();
}

/** Under way meanwhile, so that it can be cancelled. */
async function wait(
  exchange: Exchange,
  entering: Promise<Taken | Limited>,
  go: () => void | Promise<void>,
): Promise<void> {
  const cancelled = Promise.withResolvers<GatewayError>();
  let over: () => void;
  try {
    const cancel = (reason = new GatewayError(Code.Cancelled, 'Cancelled by the client')) =>
      cancelled.resolve(reason);
    over = exchange.track({ cancel });
  } catch (error) {
    undo(entering);
    throw error;
  }
  const entered = await Promise.race([cancelled.promise, entering]);
  over();
  if (entered instanceof Limited) return exchange.refuse(entered);
  if (entered instanceof GatewayError) {
    undo(entering);
    throw entered;
  }
  exchange.taken = entered;
  return go();
}

/** Of a call that does not go any more. */
function undo(entering: Promise<Taken | Limited>): void {
  void entering.then((entered) => {
    if (!(entered instanceof Limited)) entered.undo();
  });
}
