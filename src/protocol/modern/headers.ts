import { preview } from '../answer.ts';
import { own, type Params, type RequestMessage } from '../envelope.ts';
import { Code, GatewayError } from '../errors.ts';
import { decodeHeaderValue, encodeHeaderValue, withoutSpace } from './header-value.ts';
import { nameField } from './methods.ts';

/** Headers of an HTTP message by their names in lower case, as Node gives them. */
export type HeaderValues = Readonly<Record<string, string | readonly string[] | undefined>>;

/** A header's value, without white space around it. One that stands more than once is joined, and so equals nothing. */
export function headerOf(headers: HeaderValues, name: string): string | undefined {
  const value = headers[name];
  if (value === undefined) return undefined;
  return withoutSpace(typeof value === 'string' ? value : value.join(', '));
}

/**
 * Checks that `Mcp-Method` and `Mcp-Name` say what the body says (2026-07-28, transports: Server Validation). A body
 * without the name is left to whoever reads it. Throws HeaderMismatch.
 */
export function checkStandardHeaders(headers: HeaderValues, message: RequestMessage): void {
  const method = headerOf(headers, 'mcp-method');
  if (method === undefined) throw mismatch('the Mcp-Method header is missing');
  if (method !== message.method) throw differs('Mcp-Method', method, message.method);
  const name = nameIn(message.method, message.params);
  if (name === undefined) return;
  const header = headerOf(headers, 'mcp-name');
  if (header === undefined) throw mismatch('the Mcp-Name header is missing');
  const decoded = decodeHeaderValue(header);
  if (decoded === undefined) throw mismatch('the Mcp-Name header is not written as a header value can be');
  if (decoded !== name) throw differs('Mcp-Name', decoded, name);
}

/**
 * The headers of a request to a modern server, names and values in turn. `name`: of the tool or prompt, the resource's
 * URI, the task's id, each as the server knows it; undefined for requests that have none.
 */
export function standardHeaders(version: string, method: string, name: string | undefined): string[] {
  const headers = ['mcp-protocol-version', version, 'mcp-method', method];
  if (name !== undefined) headers.push('mcp-name', encodeHeaderValue(name));
  return headers;
}

/** What `Mcp-Name` repeats of a request's params; undefined where it repeats nothing. */
export function nameIn(method: string, params: Params | undefined): string | undefined {
  const field = nameField(method);
  const value = field === undefined || params === undefined ? undefined : own(params, field);
  return typeof value === 'string' ? value : undefined;
}

export function mismatch(problem: string): GatewayError {
  return new GatewayError(Code.HeaderMismatch, `Header mismatch: ${problem}`);
}

export function differs(header: string, value: string, body: string): GatewayError {
  return mismatch(`${header} says ${preview(value)}, the body ${preview(body)}`);
}
