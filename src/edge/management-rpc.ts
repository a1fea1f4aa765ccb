import { Code, ConnectError, createConnectRouter } from '@connectrpc/connect';
import {
  compressionBrotli,
  compressionGzip,
  universalRequestFromNodeRequest,
  universalResponseToNodeResponse,
} from '@connectrpc/connect-node';
import { valuesOfConnection } from '../admin/caller.ts';
import type { Routes } from '../admin/routes.ts';
import type { Logger } from '../telemetry/types.ts';
import type { H2cRequest, H2cResponse } from './h2c-server.ts';
import { blamingSender } from './unreadable-message.ts';

export interface RpcOptions {
  readonly routes: Routes;
  /** Aborted when the server begins to close: streams end by themselves. */
  readonly closing: AbortSignal;
  /** Aborted when what still runs is to stop. */
  readonly shutdown: AbortSignal;
  /** Bytes of one request message, after decompression. */
  readonly maxBodyBytes: number;
  readonly logger: Logger;
}

/** Serves a request if its path is one of an RPC, and tells whether it was. */
export type ServeRpc = (request: H2cRequest, response: H2cResponse) => boolean;

/** All three protocols, told apart by method and content type. Failures to answer go to our log, not to the console. */
export function createRpcHandler(options: RpcOptions): ServeRpc {
  const router = createConnectRouter({
    acceptCompression: [compressionGzip, compressionBrotli],
    readMaxBytes: options.maxBodyBytes,
    shutdownSignal: options.shutdown,
  });
  options.routes(router, options.closing);
  const handlers = new Map(router.handlers.map((handler) => [handler.requestPath, handler]));

  return (request, response) => {
    const handler = handlers.get(request.url?.split('?', 1)[0] ?? '');
    if (handler === undefined) return false;
    const values = valuesOfConnection(request.socket?.remoteAddress);
    handler(universalRequestFromNodeRequest(request, response, undefined, values))
      .then(blamingSender)
      .then((answer) => universalResponseToNodeResponse(answer, response))
      .catch((reason: unknown) => {
        response.destroy();
        if (ConnectError.from(reason).code === Code.Aborted) return;
        options.logger.warn('Management answer could not be sent', {
          method: handler.method.name,
          err: reason,
        });
      });
    return true;
  };
}
