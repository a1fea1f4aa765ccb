import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { Principal } from '../auth/principal.ts';
import { type EventLog, NO_EVENTS } from '../events/event.ts';
import type { Logger } from '../telemetry/types.ts';
import { remoteAddressOf, setCaller } from './caller.ts';
import { toConnectError } from './connect-error.ts';
import { managementEvent } from './management-event.ts';
import { createValidate } from './validation.ts';

/** Who makes a request with these headers. Throws Unauthenticated where that is not shown, Forbidden where nobody may. */
export type PrincipalOf = (
  headers: Headers,
  remoteAddress: string | undefined,
) => Principal | Promise<Principal>;

/** Around each call: the caller is found out, a unary request is validated, and whatever is thrown becomes a ConnectError. */
export function createInterceptor(
  logger: Logger,
  principalOf: PrincipalOf,
  events: EventLog = NO_EVENTS,
): Interceptor {
  const validate = createValidate();
  return (next) => async (request) => {
    let caller: Principal | undefined;
    const tell = (failure?: Code) => {
      if (caller === undefined || request.stream) return;
      const event = managementEvent(caller, request.method, request.message, failure);
      if (event !== undefined) events.append(event);
    };
    try {
      const { contextValues: values } = request;
      caller = await principalOf(request.header, remoteAddressOf(values));
      setCaller(values, caller);
      if (!request.stream) validate(request.method.input, request.message);
      const response = await next(request);
      tell();
      return response;
    } catch (thrown) {
      const error = toConnectError(thrown);
      tell(error.code);
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
