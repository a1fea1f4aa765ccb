import { Agent, buildConnector } from 'undici';
import type { NetworkGuard } from '../networks/guard.ts';
import { GatewayError } from '../protocol/errors.ts';

export interface TlsAgentOptions {
  readonly networks: NetworkGuard;
  /** Milliseconds for TCP and TLS together. */
  readonly connectTimeoutMs: number;
}

/** Pools of connections with TLS, which are made where the guard allows it. Response deadlines are ours, per call. */
export function createTlsAgent({ networks, connectTimeoutMs }: TlsAgentOptions): Agent {
  const connect = buildConnector({
    timeout: connectTimeoutMs,
    lookup: networks.lookup,
    allowH2: false,
  });
  const guarded: buildConnector.connector = (options, callback) => {
    try {
      networks.check(options.hostname);
    } catch (error) {
      return callback(GatewayError.from(error), null);
    }
    connect(options, callback);
  };
  return new Agent({ connect: guarded, headersTimeout: 0, bodyTimeout: 0, pipelining: 1, allowH2: false });
}
