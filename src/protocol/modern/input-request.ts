import { isObject, own, type Params, type RequestMessage } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { objectMembers } from '../json-text.ts';
import { neededFor } from './capabilities.ts';
import { editObject } from './json-edit.ts';
import type { Capabilities } from './meta.ts';

/** One thing that a server asks of a client in the middle of a request (2026-07-28, multi round-trip requests: InputRequests). */
export interface InputRequest {
  /** The server's name for it, unique in its round. */
  readonly key: string;
  readonly method: string;
  /** JSON text; undefined where there is none. */
  readonly params: string | undefined;
  /** What the client must be able to do to be asked. */
  readonly needs: Capabilities;
}

/** Members of params that only the legacy era's requests have: there each is a message of its own. */
const LEGACY_PARAMS = [
  ['_meta', undefined],
  ['task', undefined],
  ['elicitationId', undefined],
] as const;

/**
 * A request of a legacy server's as an entry under `key`. Undefined for a method that no modern client can be asked, which
 * is for the gateway to answer; also where a key stands twice.
 */
export function inputRequestOf(key: string, message: RequestMessage): InputRequest | undefined {
  const { method, params, text } = message;
  const needs = neededFor(method, params);
  if (needs === undefined) return undefined;
  const span = objectMembers(text)?.get('params');
  if (span === undefined) return { key, method, params: undefined, needs };
  const edited = editObject(text.slice(span.start, span.end), LEGACY_PARAMS);
  return edited === undefined ? undefined : { key, method, params: edited, needs };
}

/**
 * What a legacy server wants opened when it refuses a request with -32042 (2025-11-25, elicitation: URL Elicitation
 * Required Error), as entries named `<prefix><n>`. Undefined where the error's data is not of that kind.
 */
export function inputRequestsOfRefusal(data: unknown, prefix: string): readonly InputRequest[] | undefined {
  const elicitations = isObject(data) ? own(data, 'elicitations') : undefined;
  if (!Array.isArray(elicitations) || elicitations.length === 0) return undefined;
  const requests: InputRequest[] = [];
  for (const [index, each] of elicitations.entries()) {
    if (!isObject(each)) return undefined;
    const [url, message] = [own(each, 'url'), own(each, 'message')];
    if (typeof url !== 'string' || typeof message !== 'string') return undefined;
    requests.push({
      key: `${prefix}${index + 1}`,
      method: 'elicitation/create',
      params: JSON.stringify({ mode: 'url', message, url }),
      needs: { elicitation: { url: {} } },
    });
  }
  return requests;
}

/** What a server asked for with `input_required`, and what it wants back unread. */
export interface InputRequired {
  readonly requests: readonly InputRequest[];
  readonly requestState: string | undefined;
}

/**
 * Reads an `input_required` response of a modern server's. Throws DownstreamProtocol, without naming the server, where it
 * asks for nothing, for something that no client can be asked, or in a way that cannot be read.
 */
export function readInputRequired(response: string): InputRequired {
  const result = textAt(response, 0, 'result');
  const state = result === undefined ? undefined : textAt(result, 0, 'requestState');
  const requestState: unknown = state === undefined ? undefined : JSON.parse(state);
  if (result === undefined || (requestState !== undefined && typeof requestState !== 'string'))
    throw unreadable('its requestState is no string');
  const asked = textAt(result, 0, 'inputRequests') ?? '{}';
  const members = objectMembers(asked);
  if (members === undefined || !asked.startsWith('{')) throw unreadable('its inputRequests are no object');
  const requests = [...members].map(([key, { start, end }]) => readEntry(key, asked.slice(start, end)));
  if (requests.length === 0 && requestState === undefined)
    throw unreadable('it has neither inputRequests nor requestState');
  return { requests, requestState };
}

/** As a legacy server would have asked it. `id`: JSON text. URL elicitations need an `elicitationId` there, which is made up. */
export function legacyRequestText(request: InputRequest, id: string, elicitationId: string): string {
  const isUrl = own(request.needs, 'elicitation');
  const params =
    isObject(isUrl) && Object.hasOwn(isUrl, 'url') && request.params !== undefined
      ? (editObject(request.params, [['elicitationId', JSON.stringify(elicitationId)]]) ?? request.params)
      : request.params;
  const tail = params === undefined ? '' : `,"params":${params}`;
  return `{"jsonrpc":"2.0","id":${id},"method":${JSON.stringify(request.method)}${tail}}`;
}

function readEntry(key: string, text: string): InputRequest {
  const value: unknown = JSON.parse(text);
  const method = isObject(value) ? own(value, 'method') : undefined;
  const params = isObject(value) ? own(value, 'params') : undefined;
  const needs = typeof method === 'string' ? neededFor(method, paramsOf(params)) : undefined;
  if (typeof method !== 'string' || needs === undefined || (params !== undefined && !isObject(params)))
    throw unreadable(
      `its input request ${JSON.stringify(key.slice(0, 64))} is none that a client can be asked`,
    );
  if (params === undefined && method !== 'roots/list')
    throw unreadable(`its input request ${JSON.stringify(key.slice(0, 64))} has no params`);
  return { key, method, params: textAt(text, 0, 'params'), needs };
}

function paramsOf(value: unknown): Params | undefined {
  return isObject(value) ? value : undefined;
}

function textAt(text: string, from: number, key: string): string | undefined {
  const span = objectMembers(text, from)?.get(key);
  return span && text.slice(span.start, span.end);
}

function unreadable(problem: string): GatewayError {
  return new GatewayError(
    Code.DownstreamProtocol,
    `The server asked for input in a way that is not MCP: ${problem}`,
  );
}
