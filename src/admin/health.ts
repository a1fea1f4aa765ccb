import { setTimeout as delay } from 'node:timers/promises';
import type { DescService } from '@bufbuild/protobuf';
import { Code, ConnectError, type ServiceImpl } from '@connectrpc/connect';
import { type Health, HealthCheckResponse_ServingStatus as Status } from '../gen/grpc/health/v1/health_pb.ts';

/** Whether the node takes calls, and if not, why. */
export type Readiness = () => { readonly ready: boolean; readonly reasons: readonly string[] };

export interface HealthOptions {
  /** Those that may be asked for by name. */
  readonly services: readonly DescService[];
  readonly readiness: Readiness;
  /** Aborted when the server begins to close: watchers are told and let go. */
  readonly closing: AbortSignal;
  /** Milliseconds between two looks at the readiness of a watched service; 1000 unless given. */
  readonly pollMs?: number;
}

/** The standard health service: all services are as ready as the node is. */
export function createHealth(options: HealthOptions): ServiceImpl<typeof Health> {
  const { readiness, closing, pollMs = 1000 } = options;
  // The empty name stands for the server as a whole.
  const names = new Set(['', ...options.services.map((service) => service.typeName)]);

  function statusOf(service: string): Status {
    if (!names.has(service)) return Status.SERVICE_UNKNOWN;
    return readiness().ready && !closing.aborted ? Status.SERVING : Status.NOT_SERVING;
  }

  return {
    check({ service }) {
      const status = statusOf(service);
      if (status === Status.SERVICE_UNKNOWN) {
        throw new ConnectError(`service "${service}" is not known here`, Code.NotFound);
      }
      return { status };
    },

    async *watch({ service }, { signal }) {
      const until = AbortSignal.any([signal, closing]);
      let told: Status | undefined;
      while (!signal.aborted) {
        const status = statusOf(service);
        if (status !== told) yield { status };
        told = status;
        if (closing.aborted) return;
        await delay(pollMs, undefined, { signal: until, ref: false }).catch(() => undefined);
      }
    },
  };
}
