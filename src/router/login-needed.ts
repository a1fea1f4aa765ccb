import { createHash } from 'node:crypto';
import { LoginRequired } from '../downstream/login-required.ts';
import { isObject, own, type Params, type RequestMessage, resultText } from '../protocol/envelope.ts';
import { Code, GatewayError } from '../protocol/errors.ts';
import { missingOf, neededFor } from '../protocol/modern/capabilities.ts';
import { inputRequiredResult } from '../protocol/modern/input-required.ts';
import { editRequest } from '../protocol/modern/json-edit.ts';
import type { Capabilities } from '../protocol/modern/meta.ts';
import { isMultiRound } from '../protocol/modern/methods.ts';
import type { Session } from '../session/session.ts';

/** Under which a modern client is asked to have its person log in. No server's own requests reach clients under it. */
const KEY = 'dragon-login';

const NEEDS = neededFor('elicitation/create', { mode: 'url' }) ?? {};

/**
 * An error as a legacy client is told of it: one that wants a log-in brings the address, as a URL elicitation to clients that
 * can show one (2025-11-25, elicitation: URL Elicitation Required Error), in its text to others.
 */
export function toldOfLogin(error: GatewayError, { hello }: Pick<Session, 'hello'>): GatewayError {
  if (!(error instanceof LoginRequired)) return error;
  if (missingOf(NEEDS, hello.capabilities) !== undefined) return withAddress(error);
  const { url } = error;
  const elicitationId = createHash('sha256').update(url).digest('base64url').slice(0, 22);
  const elicitations = [{ mode: 'url', elicitationId, url, message: messageOf(error) }];
  return new GatewayError(Code.ElicitationRequired, messageOf(error), { data: { elicitations } });
}

/** The same with the address in the text. */
export function withAddress(error: GatewayError): GatewayError {
  if (!(error instanceof LoginRequired)) return error;
  const { url } = error;
  return new GatewayError(error.code, `${messageOf(error)}: ${url}`, { data: { reason: error.code, url } });
}

/**
 * The answer that has a modern client's person log in, before the client sends its request once more; undefined for a client
 * that can't, or whose person has said no.
 */
export function askToLogIn(
  error: LoginRequired,
  request: RequestMessage,
  capabilities: Capabilities,
  serverInfo: string,
): string | undefined {
  const { method, params, id } = request;
  if (!isMultiRound(method) || missingOf(NEEDS, capabilities) !== undefined) return undefined;
  const answer = loginAnswer(params);
  if (answer !== undefined && own(answer, 'action') !== 'accept') return undefined;
  const asked = JSON.stringify({ mode: 'url', url: error.url, message: messageOf(error) });
  const requests = [{ key: KEY, method: 'elicitation/create', params: asked, needs: NEEDS }];
  return resultText(id, inputRequiredResult(requests, undefined, serverInfo));
}

/** The request without what answers the gateway's own question. Undefined where a key stands twice. */
export function withoutLoginAnswer(text: string, params: Params | undefined): string | undefined {
  return loginAnswer(params) === undefined
    ? text
    : editRequest(text, { params: [['inputResponses', undefined]] });
}

function loginAnswer(params: Params | undefined): Params | undefined {
  const responses = params === undefined ? undefined : own(params, 'inputResponses');
  const answer = isObject(responses) ? own(responses, KEY) : undefined;
  return isObject(answer) ? answer : undefined;
}

function messageOf({ serverName, why }: LoginRequired): string {
  return `Server "${serverName}" ${why}. Open this address in your browser, log in, and try again`;
}
