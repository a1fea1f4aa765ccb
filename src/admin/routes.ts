import type { ConnectRouter } from '@connectrpc/connect';
import { TurnstileService } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { Health } from '../gen/grpc/health/v1/health_pb.ts';
import { ServerReflection } from '../gen/grpc/reflection/v1/reflection_pb.ts';
import { ServerReflection as ServerReflectionAlpha } from '../gen/grpc/reflection/v1alpha/reflection_pb.ts';
import type { Logger, Metrics } from '../telemetry/types.ts';
import type { TurnstileDependencies } from './dependencies.ts';
import { createHealth, type Readiness } from './health.ts';
import { createInterceptor, type PrincipalOf } from './interceptor.ts';
import { createReflection } from './reflection.ts';
import { createTurnstileService } from './turnstile-service.ts';

export interface ManagementDependencies extends TurnstileDependencies {
  readonly principalOf: PrincipalOf;
  readonly readiness: Readiness;
  readonly logger: Logger;
  /** Counts calls. */
  readonly metrics?: Pick<Metrics, 'management'>;
}

/** All services of the management port. `closing` is aborted when the server begins to close. */
export type Routes = (router: ConnectRouter, closing: AbortSignal) => void;

export function createManagementRoutes(deps: ManagementDependencies): Routes {
  const services = [TurnstileService, Health];
  const interceptors = [createInterceptor(deps)];
  return (router, closing) => {
    const reflection = createReflection(services, closing);
    router
      .service(TurnstileService, createTurnstileService(deps, closing), {
        interceptors,
        // A mistyped field is a mistake to be told, not a wish to be dropped.
        jsonOptions: { ignoreUnknownFields: false },
      })
      // Whoever checks whether a node is well, such as a balancer, need not be anybody.
      .service(Health, createHealth({ services, readiness: deps.readiness, closing }))
      .service(ServerReflection, reflection.v1, { interceptors })
      .service(ServerReflectionAlpha, reflection.v1alpha, { interceptors });
  };
}
