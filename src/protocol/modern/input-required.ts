import { isObject, own, type Params } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { locate } from '../json-text.ts';
import type { InputRequest } from './input-request.ts';
import { type Edits, editRequest } from './json-edit.ts';
import { MetaKey } from './keys.ts';

/**
 * The result that asks a client for input before its request can go on. At least one of `requests` and `requestState` is
 * there. `serverInfo`: JSON text, names who asks.
 */
export function inputRequiredResult(
  requests: readonly InputRequest[],
  requestState: string | undefined,
  serverInfo: string,
): string {
  if (requests.length === 0 && requestState === undefined)
    throw new GatewayError(Code.Internal, 'Internal error', { cause: new Error('nothing to ask for') });
  const entries = requests.map(({ key, method, params }) => {
    const tail = params === undefined ? '' : `,"params":${params}`;
    return `${JSON.stringify(key)}:{"method":${JSON.stringify(method)}${tail}}`;
  });
  const asked = entries.length === 0 ? '' : `,"inputRequests":{${entries.join(',')}}`;
  const state = requestState === undefined ? '' : `,"requestState":${JSON.stringify(requestState)}`;
  return `{"resultType":"input_required"${asked}${state},"_meta":{"${MetaKey.ServerInfo}":${serverInfo}}}`;
}

/** What a request brings of an earlier round. */
export interface Retry {
  readonly responses: Params | undefined;
  readonly requestState: string | undefined;
}

const FIRST_ROUND: Retry = { responses: undefined, requestState: undefined };

/** Reads the retry's own members of params. Throws InvalidParams naming the one that is malformed. */
export function readRetry(params: Params | undefined): Retry {
  if (params === undefined) return FIRST_ROUND;
  const responses = own(params, 'inputResponses');
  const requestState = own(params, 'requestState');
  if (responses === undefined && requestState === undefined) return FIRST_ROUND;
  if (responses !== undefined && !isObject(responses)) throw invalid('"inputResponses" must be an object');
  if (requestState !== undefined && typeof requestState !== 'string')
    throw invalid('"requestState" must be a string');
  return { responses, requestState };
}

/** Edits of params that take out what belongs to a retry: a legacy server knows nothing of rounds. */
export const NO_RETRY: Edits = [
  ['inputResponses', undefined],
  ['requestState', undefined],
];

/**
 * Which of the requests a retry leaves without an answer: they are asked for again. What it answers unasked is ignored.
 * Throws InvalidParams for an answer that is none to its request.
 */
export function unanswered(
  requests: readonly InputRequest[],
  responses: Params | undefined,
): readonly InputRequest[] {
  return requests.filter(({ key, method }) => {
    const response = responses === undefined ? undefined : own(responses, key);
    if (response === undefined) return true;
    const problem = responseProblem(method, response);
    if (problem !== undefined)
      throw invalid(`"inputResponses" under ${JSON.stringify(key.slice(0, 64))} ${problem}`);
    return false;
  });
}

/** A retry's answer under `key` as the response to a legacy server's request. `id`: JSON text. Undefined where there is none. */
export function legacyResponseText(retryText: string, key: string, id: string): string | undefined {
  const span = locate(retryText, ['params', 'inputResponses', key]);
  return span && `{"jsonrpc":"2.0","id":${id},"result":${retryText.slice(span.start, span.end)}}`;
}

/**
 * The retry of a request to a modern server: `id`, `responses` (key and result) as JSON text. Members of an earlier retry
 * are replaced or go. Undefined where a key stands twice.
 */
export function retryText(
  requestText: string,
  id: string,
  responses: readonly (readonly [key: string, result: string])[],
  requestState: string | undefined,
): string | undefined {
  const entries = responses.map(([key, result]) => `${JSON.stringify(key)}:${result}`);
  return editRequest(requestText, {
    id,
    params: [
      ['inputResponses', entries.length === 0 ? undefined : `{${entries.join(',')}}`],
      ['requestState', requestState === undefined ? undefined : JSON.stringify(requestState)],
    ],
  });
}

const ACTIONS: readonly unknown[] = ['accept', 'decline', 'cancel'];

/** Only as far as the protocol itself can tell; whether a form is filled in as asked is for the server to see. */
function responseProblem(method: string, response: unknown): string | undefined {
  if (!isObject(response)) return 'must be an object';
  switch (method) {
    case 'elicitation/create': {
      const content = own(response, 'content');
      if (!ACTIONS.includes(own(response, 'action')))
        return 'must have "action" as accept, decline or cancel';
      return content === undefined || isObject(content) ? undefined : 'must have "content" as an object';
    }
    case 'sampling/createMessage': {
      const hasMessage =
        typeof own(response, 'role') === 'string' && typeof own(response, 'model') === 'string';
      const content = own(response, 'content');
      const isContent = isObject(content) || Array.isArray(content);
      return hasMessage && isContent ? undefined : 'must have "role", "model" and "content"';
    }
    default:
      return Array.isArray(own(response, 'roots')) ? undefined : 'must have "roots" as an array';
  }
}

function invalid(problem: string): GatewayError {
  return new GatewayError(Code.InvalidParams, `Invalid params: ${problem}`);
}
