import { Code, GatewayError } from '../protocol/errors.ts';

/** A call that is over a limit. Nothing has been done. */
export class Limited extends GatewayError {
  /** Its name, as rules have it. */
  readonly limit: string;

  constructor(message: string, limit: string, retryAfter: number) {
    super(Code.TooManyRequests, message, {
      retryAfter,
      // A stream has no header for it.
      data: { reason: Code.TooManyRequests, limit, retryAfter },
    });
    this.limit = limit;
  }
}
