import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { ResealReport } from '../db/reseal.ts';
import type { TurnstileService } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { callerOf, requireOperator } from './caller.ts';

type SecretMethods = Pick<ServiceImpl<typeof TurnstileService>, 'resealSecrets'>;

/** The part of the management API that is about how secrets are sealed. */
export function createSecretMethods(reseal: () => Promise<ResealReport>): SecretMethods {
  return {
    async resealSecrets(_request, context: HandlerContext) {
      requireOperator(callerOf(context), 'seal secrets anew');
      const { resealed, unreadable } = await reseal();
      return { resealedCount: BigInt(resealed), unreadableCount: BigInt(unreadable) };
    },
  };
}
