import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServiceImpl } from '@connectrpc/connect';
import {
  GetLoginStatusForMcpServerResponse_State as State,
  type TurnstileService,
} from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { callerOf, requireAdmin } from './caller.ts';
import type { TurnstileDependencies } from './dependencies.ts';
import { wrongField } from './field-paths.ts';
import { resolveServer } from './server-ref.ts';

type Methods = Pick<
  ServiceImpl<typeof TurnstileService>,
  'loginMcpServer' | 'getLoginStatusForMcpServer' | 'logoutMcpServer'
>;

const STATES = {
  'not-required': State.NOT_REQUIRED,
  'logged-out': State.LOGGED_OUT,
  pending: State.PENDING,
  'logged-in': State.LOGGED_IN,
  expired: State.EXPIRED,
} as const;

/** Log-ins to servers, of callers to their own. */
export function createLoginMethods({ servers, logins }: TurnstileDependencies): Methods {
  return {
    async loginMcpServer(request, context) {
      const caller = callerOf(context);
      const record = await resolveServer(servers, caller, request.server);
      const { clientId, clientSecret } = request;
      if (clientId !== '' && record.sharedWith !== undefined)
        requireAdmin(caller, 'give a shared server a client of its own');
      if (clientId === '' && clientSecret !== '') throw wrongField('client_id', 'a secret needs a client');
      const secret = clientSecret === '' ? {} : { clientSecret };
      return { url: await logins.login(record, clientId === '' ? undefined : { clientId, ...secret }) };
    },

    async getLoginStatusForMcpServer(request, context) {
      const record = await resolveServer(servers, callerOf(context), request.server);
      const { state, scopes, expiresAt } = await logins.status(record);
      return {
        state: STATES[state],
        scopes: [...scopes],
        ...(expiresAt === undefined ? {} : { expireTime: timestampFromDate(expiresAt) }),
      };
    },

    async logoutMcpServer(request, context) {
      const caller = callerOf(context);
      const record = await resolveServer(servers, caller, request.server);
      const { target } = record;
      const isOfAll = target.kind === 'http' && target.oauth?.grant === 'client_credentials';
      if (isOfAll && record.sharedWith !== undefined)
        requireAdmin(caller, 'end the token of a shared server');
      return { revoked: (await logins.logout(record)).isRevoked };
    },
  };
}
