import { GatewayError } from '../protocol/errors.ts';

/** A request was sent, its connection was lost before the answer, and nobody knows whether it has run. */
export class ConnectionLost extends GatewayError {}
