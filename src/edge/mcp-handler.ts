import type { OutgoingHttpHeaders } from 'node:http';
import { Code, GatewayError } from '../protocol/errors.ts';
import { isModernHeader } from '../protocol/modern/era.ts';
import { modernError, modernErrorText } from '../protocol/modern/wire-error.ts';
import { errorResponse, wireError } from './error-response.ts';
import type { Guard } from './guard.ts';
import type { HttpRequest, HttpResponse } from './http-io.ts';

/** Answers one request. Throws, or rejects with, what is about the HTTP request as a whole. */
export type Serve = (request: HttpRequest, response: HttpResponse) => void | Promise<void>;

export interface McpHandlerOptions {
  readonly guard: Guard;
  /** This node is about to stop: another should have what is sent here. */
  readonly isDraining: () => boolean;
  /** Anything thrown as an error for the wire; logs what nobody expected. */
  readonly known: (thrown: unknown) => GatewayError;
}

/**
 * Header of a balancer that can give a request to another node, once this one says that it has not touched it. No client
 * has a use for it.
 */
const ELSEWHERE = 'dragon-elsewhere';

/** What every request to the MCP port meets, whichever way it came: the guard before, and an answer to what is thrown after. */
export class McpHandler {
  readonly #options: McpHandlerOptions;

  constructor(options: McpHandlerOptions) {
    this.#options = options;
  }

  handle(serve: Serve, request: HttpRequest, response: HttpResponse): void {
    const { headers } = request;
    try {
      if (headers[ELSEWHERE] !== undefined && this.#options.isDraining()) {
        this.#settle(sendElsewhere(request, response), response);
        return;
      }
      const refusal = this.#options.guard(headers.host, headers.origin);
      if (refusal !== undefined) throw new GatewayError(Code.Forbidden, refusal.message);
      serve(request, response)?.catch((thrown) => this.#refuse(thrown, request, response));
    } catch (thrown) {
      this.#refuse(thrown, request, response);
    }
  }

  #refuse(thrown: unknown, request: HttpRequest, response: HttpResponse): void {
    if (response.headersSent || response.destroyed) return;
    const error = this.#options.known(thrown);
    const wire = isModernHeader(request.headers) ? modernWire(error) : legacyWire(error);
    // A connection that ends with this answer is not read to the end of the body by itself.
    const isCutShort = this.#options.isDraining() && !request.complete;
    if (error.code === Code.TooLarge || isCutShort)
      this.#settle(refuseBody(request, response, error, wire), response);
    else refuse(response, error, wire);
  }

  #settle(done: Promise<void>, response: HttpResponse): void {
    done.catch((thrown) => {
      this.#options.known(thrown);
      response.destroy();
    });
  }
}

/** For a balancer: nginx does what the header says, and to others the status is a reason to try again. */
async function sendElsewhere(request: HttpRequest, response: HttpResponse): Promise<void> {
  await request.discard();
  response.writeHead(503, { 'x-accel-redirect': '@elsewhere', 'retry-after': '0', 'content-length': '0' });
  response.end();
}

/** The answer leaves at once and whole; its connection is closed when the client has stopped sending. */
async function refuseBody(
  request: HttpRequest,
  response: HttpResponse,
  error: GatewayError,
  { status, body }: Wire,
) {
  response.writeHead(status, { ...headersOf(error, body), connection: 'close' });
  response.write(body);
  await request.discard();
  response.end();
}

/** Thrown for a method that the path does not have; to the modern era that is every one but POST. */
export const NOT_ALLOWED = new GatewayError(Code.MethodNotAllowed, 'Method not allowed');

/** An error about the HTTP request as a whole. */
interface Wire {
  readonly status: number;
  readonly body: string;
}

export function legacyWire(error: GatewayError): Wire {
  return { status: wireError(error).status, body: errorResponse(error, null) };
}

function modernWire(error: GatewayError): Wire {
  return { status: modernError(error).status, body: modernErrorText(error, null) };
}

function refuse(response: HttpResponse, error: GatewayError, { status, body }: Wire): void {
  const headers = headersOf(error, body);
  // Thrown for clients of the modern era only: for others there is no route.
  if (error === NOT_ALLOWED) headers['allow'] = 'POST';
  response.writeHead(status, headers);
  response.end(body);
}

function headersOf(error: GatewayError, body: string): OutgoingHttpHeaders {
  const headers: OutgoingHttpHeaders = {
    'content-type': 'application/json',
    'content-length': Buffer.byteLength(body),
  };
  if (error.retryAfter !== undefined) headers['retry-after'] = String(error.retryAfter);
  if (error.challenge !== undefined) headers['www-authenticate'] = error.challenge;
  return headers;
}
