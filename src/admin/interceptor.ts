import { Code, ConnectError, type Interceptor } from '@connectrpc/connect';
import type { Principal } from '../auth/principal.ts';
import { type EventLog, NO_EVENTS } from '../events/event.ts';
import type { Logger, Metrics, Outcome } from '../telemetry/types.ts';
import { remoteAddressOf, setCaller } from './caller.ts';
import { toConnectError } from './connect-error.ts';
import { managementEvent } from './management-event.ts';
import { createValidate } from './validation.ts';

/** Who makes a request with these headers. Throws Unauthenticated where that is not shown, Forbidden where nobody may. */
export type PrincipalOf = (
  headers: Headers,
  remoteAddress: string | undefined,
) => Principal | Promise<Principal>;

export interface InterceptorParts {
  readonly logger: Logger;
  readonly principalOf: PrincipalOf;
  readonly events?: EventLog;
  readonly metrics?: Pick<Metrics, 'management'>;
}

/** Around each call: the caller is found out, a unary request is validated, and whatever is thrown becomes a ConnectError. */
export function createInterceptor(parts: InterceptorParts): Interceptor {
  const { logger, principalOf, events = NO_EVENTS, metrics } = parts;
  const validate = createValidate();
  return (next) => async (request) => {
    let caller: Principal | undefined;
    const startedAt = performance.now();
    const tell = (failure?: Code) => {
      metrics?.management(request.method.name, outcomeOf(failure), (performance.now() - startedAt) / 1000);
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

function outcomeOf(failure: Code | undefined): Outcome {
  if (failure === undefined) return 'ok';
  if (failure === Code.Canceled) return 'cancelled';
  return failure === Code.PermissionDenied || failure === Code.Unauthenticated ? 'denied' : 'error';
}

/** Callers are told nothing of it, so that the log must. */
function logUnknown(logger: Logger, method: string, thrown: unknown): void {
  if (thrown instanceof ConnectError && thrown.cause === undefined) return;
  logger.error('Management call failed', { method, err: thrown });
}
