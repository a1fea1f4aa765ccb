import { type DescMethod, isMessage, type Message } from '@bufbuild/protobuf';
import { reflect } from '@bufbuild/protobuf/reflect';
import { MethodOptions_IdempotencyLevel as Idempotency } from '@bufbuild/protobuf/wkt';
import { Code } from '@connectrpc/connect';
import type { Principal } from '../auth/principal.ts';
import type { EventDetail, EventFields, EventOutcome } from '../events/event.ts';
import { type McpServerRef, McpServerRefSchema } from '../gen/dragon/turnstile/api/v1/server_pb.ts';

/** Fields that say what a request is about, and hold no secret. */
const NAMES = new Map([
  ['name', 'name'],
  ['id', 'id'],
  ['user_id', 'user'],
]);

/** The event of a management call that may have changed something; undefined for one that only reads. `failure`: of one that failed. */
export function managementEvent(
  caller: Principal,
  method: DescMethod,
  message: Message,
  failure: Code | undefined,
): EventFields | undefined {
  if (method.idempotency === Idempotency.NO_SIDE_EFFECTS) return undefined;
  const { server, ...detail } = aboutOf(method, message);
  return {
    type: 'management',
    action: method.name,
    tenantId: caller.tenantId,
    userId: caller.userId,
    outcome: outcomeOf(failure),
    server,
    detail: failure === undefined ? detail : { ...detail, code: Code[failure] },
  };
}

function outcomeOf(failure: Code | undefined): EventOutcome {
  if (failure === undefined) return 'ok';
  if (failure === Code.Canceled) return 'cancelled';
  return failure === Code.PermissionDenied ? 'denied' : 'error';
}

function aboutOf(method: DescMethod, message: Message): EventDetail & { readonly server?: string } {
  const about: Record<string, string> = {};
  const whole = reflect(method.input, message);
  for (const field of method.input.fields) {
    const name = NAMES.get(field.name);
    if (field.fieldKind === 'scalar' && name !== undefined) {
      const value: unknown = whole.get(field);
      if (typeof value === 'string' && value !== '') about[name] = value;
    }
    if (field.fieldKind !== 'message' || field.message.typeName !== McpServerRefSchema.typeName) continue;
    const ref: unknown = Reflect.get(message, field.localName);
    if (isMessage(ref, McpServerRefSchema)) Object.assign(about, refOf(ref));
  }
  return about;
}

function refOf({ ref }: McpServerRef): Record<string, string> {
  if (ref.case === 'name') return { server: ref.value };
  return ref.case === 'id' ? { serverId: ref.value } : {};
}
