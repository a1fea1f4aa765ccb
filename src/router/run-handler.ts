import type { Snapshot } from '../catalog/snapshot.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import type { Exchange } from './exchange.ts';

/** Answers through the exchange, always: what is thrown on the way becomes its failure. No promise is made where the snapshot is there. */
export function runHandler<E extends Exchange>(
  handler: ((exchange: E, snapshot: Snapshot) => void | Promise<void>) | undefined,
  exchange: E,
): void {
  if (handler === undefined) {
    const reason = `Method not found: ${exchange.message.method.slice(0, 100)}`;
    return exchange.fail(new GatewayError(Code.MethodNotFound, reason));
  }
  const { current } = exchange.view;
  if (current !== undefined) return run(handler, exchange, current);
  exchange.view.snapshot().then(
    (snapshot) => run(handler, exchange, snapshot),
    (error) => exchange.fail(known(exchange, error)),
  );
}

function run<E extends Exchange>(
  handler: (exchange: E, snapshot: Snapshot) => void | Promise<void>,
  exchange: E,
  snapshot: Snapshot,
): void {
  try {
    handler(exchange, snapshot)?.catch((error) => exchange.fail(known(exchange, error)));
  } catch (error) {
    exchange.fail(known(exchange, error));
  }
}

function known(exchange: Exchange, thrown: unknown): GatewayError {
  const error = GatewayError.from(thrown);
  if (error.code === Code.Internal)
    exchange.options.logger.error('a request failed inside the gateway', { ...exchange.about, err: thrown });
  return error;
}
