import { Code, GatewayError } from '../protocol/errors.ts';

/** What the request has done is for the client to find out: it is not run again in silence. */
export const NODE_GONE = new GatewayError(
  Code.Unavailable,
  'The node that ran this request has gone, or no longer keeps its stream; the outcome of the request is unknown',
);
