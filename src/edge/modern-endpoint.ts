import type { Principal } from '../auth/principal.ts';
import type { Id } from '../protocol/envelope.ts';
import type { GatewayError } from '../protocol/errors.ts';
import type { Opening } from '../protocol/modern/era.ts';
import { modernError, modernErrorText } from '../protocol/modern/wire-error.ts';
import type { ModernRouter } from '../router/modern-router.ts';
import type { EventStreams } from './event-stream.ts';
import { writeJson } from './http-answer.ts';
import type { HttpRequest, HttpResponse } from './http-io.ts';
import { ModernAnswer } from './modern-answer.ts';
import type { Taps } from './taps.ts';

export interface ModernEndpointOptions {
  readonly router: ModernRouter;
  readonly streams: EventStreams;
  readonly taps: Taps;
}

/** Streamable HTTP as the modern era has it: one POST, one request, and no more than that to know. */
export class ModernEndpoint {
  readonly #options: ModernEndpointOptions;

  constructor(options: ModernEndpointOptions) {
    this.#options = options;
  }

  post(
    request: HttpRequest,
    response: HttpResponse,
    principal: Principal,
    opening: Extract<Opening, { era: 'modern' }>,
  ): void {
    if (opening.kind === 'notification') {
      response.writeHead(202).end();
      return;
    }
    const { router, streams, taps } = this.#options;
    const { message, meta } = opening;
    const answer = new ModernAnswer(response, streams, message.id);
    const sink = taps.isOn ? taps.over(principal, message, answer) : answer;
    const cancel = router.request({ principal, meta, headers: request.headers }, message, sink);
    // Whoever goes away wants nothing more (2026-07-28, transports: Cancellation); once answered there is nothing to end.
    response.on('close', cancel);
  }
}

/** An error about the HTTP request as a whole. `id`: of the request, where it is known. */
export function writeModernError(response: HttpResponse, error: GatewayError, id: Id | null): void {
  const retry = error.retryAfter === undefined ? {} : { 'retry-after': String(error.retryAfter) };
  writeJson(response, modernError(error).status, modernErrorText(error, id), retry);
}
