import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { Logger } from '../telemetry/types.ts';
import { toConnectError } from './connect-error.ts';
import { createValidate } from './validation.ts';

/** Around each unary call: the request is validated first, and whatever is thrown becomes a ConnectError. */
export function createInterceptor(logger: Logger): Interceptor {
  const validate = createValidate();
  return (next) => async (request) => {
    try {
      if (!request.stream) validate(request.method.input, request.message);
      return await next(request);
    } catch (thrown) {
      const error = toConnectError(thrown);
      if (error.code === Code.Internal) logUnknown(logger, request.method.name, thrown);
      throw error;
    }
  };
}

/** Callers are told nothing of it, so that the log must. */
function logUnknown(logger: Logger, method: string, thrown: unknown): void {
  if (thrown instanceof ConnectError && thrown.cause === undefined) return;
  logger.error('Management call failed', { method, err: thrown });
}
