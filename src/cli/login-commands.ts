import { timestampDate } from '@bufbuild/protobuf/wkt';
import {
  GetLoginStatusForMcpServerResponseSchema,
  LoginMcpServerResponseSchema,
  LogoutMcpServerResponseSchema,
  GetLoginStatusForMcpServerResponse_State as State,
} from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { ExitCode } from './exit.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import { byName, type Management, messageJson } from './management.ts';

export interface LoginOptions {
  readonly clientId?: string;
  readonly clientSecret?: string;
}

export async function login(
  io: Io,
  options: GlobalOptions,
  management: Management,
  name: string,
  { clientId = '', clientSecret = '' }: LoginOptions,
) {
  const response = await management.loginMcpServer({ server: byName(name), clientId, clientSecret });
  print(io, options, messageJson(LoginMcpServerResponseSchema, response), () => response.url);
  if (!options.json) io.err(`Open it in your browser. Then: dragon server login-status ${name}\n`);
  return ExitCode.Ok;
}

export async function logout(io: Io, options: GlobalOptions, management: Management, name: string) {
  const response = await management.logoutMcpServer({ server: byName(name) });
  print(io, options, messageJson(LogoutMcpServerResponseSchema, response), () =>
    response.revoked ? `Logged out of ${name}; the tokens are revoked.` : `Logged out of ${name}.`,
  );
  return ExitCode.Ok;
}

/** Exit code 1 where somebody has to log in. */
async function loginStatus(io: Io, options: GlobalOptions, management: Management, name: string) {
  const response = await management.getLoginStatusForMcpServer({ server: byName(name) });
  const { state, expireTime } = response;
  print(io, options, messageJson(GetLoginStatusForMcpServerResponseSchema, response), () => {
    const until = expireTime === undefined ? '' : `, token until ${timestampDate(expireTime).toISOString()}`;
    return `${TEXTS[state]}${until}`;
  });
  return state === State.LOGGED_IN || state === State.NOT_REQUIRED ? ExitCode.Ok : ExitCode.Failed;
}

export { loginStatus as 'login-status' };

const TEXTS: Readonly<Record<State, string>> = {
  [State.UNSPECIFIED]: 'unknown',
  [State.NOT_REQUIRED]: 'no log-in needed',
  [State.LOGGED_OUT]: 'logged out',
  [State.PENDING]: 'log-in under way in a browser',
  [State.LOGGED_IN]: 'logged in',
  [State.EXPIRED]: 'the log-in is over',
};
