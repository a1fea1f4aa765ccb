import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { Principal } from '../auth/principal.ts';
import type { Logger } from '../telemetry/types.ts';
import { remoteAddressOf, setCaller } from './caller.ts';
import { toConnectError } from './connect-error.ts';
import { createValidate } from './validation.ts';

/** Who makes a request with these headers. Throws Unauthenticated where that is not shown, Forbidden where nobody may. */
export type PrincipalOf = (
  headers: Headers,
  remoteAddress: string | undefined,
) => Principal | Promise<Principal>;

/** Around each call: the caller is found out, a unary request is validated, and whatever is thrown becomes a ConnectError. */
export function createInterceptor(logger: Logger, principalOf: PrincipalOf): Interceptor {
  const validate = createValidate();
  return (next) => async (request) => {
    try {
      const { contextValues: values } = request;
      setCaller(values, await principalOf(request.header, remoteAddressOf(values)));
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
