import {
  type ContextValues,
  createContextKey,
  createContextValues,
  type HandlerContext,
} from '@connectrpc/connect';
import type { Principal } from '../auth/principal.ts';
import { Code, GatewayError } from '../protocol/errors.ts';

const REMOTE_ADDRESS = createContextKey<string | undefined>(undefined, {
  description: 'where the connection of a request comes from',
});

const CALLER = createContextKey<Principal | undefined>(undefined, { description: 'who makes a request' });

/** For the server that takes a request, which alone knows its connection. */
export function valuesOfConnection(remoteAddress: string | undefined): ContextValues {
  return createContextValues().set(REMOTE_ADDRESS, remoteAddress);
}

export function remoteAddressOf(values: ContextValues): string | undefined {
  return values.get(REMOTE_ADDRESS);
}

export function setCaller(values: ContextValues, caller: Principal): void {
  values.set(CALLER, caller);
}

/** Who makes a request, as the interceptor has found out. A method that none stands before serves nobody. */
export function callerOf({ values }: Pick<HandlerContext, 'values'>): Principal {
  const caller = values.get(CALLER);
  if (caller === undefined) throw new GatewayError(Code.Internal, 'Internal error');
  return caller;
}

/** The tenant of those who run the gateway. */
const OPERATORS = 'default';

/** Throws Forbidden for whoever does not run the gateway: what it is about is all tenants'. */
export function requireOperator(caller: Principal, what: string): void {
  requireAdmin(caller, what);
  if (caller.tenantId !== OPERATORS)
    throw new GatewayError(Code.Forbidden, `Only an admin of the tenant ${OPERATORS} may ${what}`);
}

/** Throws Forbidden for whoever is no admin. `what`: what only admins may, to follow "Only an admin may". */
export function requireAdmin({ roles }: Principal, what: string): void {
  if (!roles.includes('admin')) throw new GatewayError(Code.Forbidden, `Only an admin may ${what}`);
}
