import { GatewayError } from '../protocol/errors.ts';

/** What a policy keeps from its caller. To the caller it looks like what it stands for; the gateway itself knows. */
export class Denied extends GatewayError {}
