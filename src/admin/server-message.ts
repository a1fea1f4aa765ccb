import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { Principal } from '../auth/principal.ts';
import type { ServerHealth } from '../catalog/types.ts';
import type { ServerRecord, ServerTarget, Sharing } from '../db/server-record.ts';
import {
  McpServer_Health_Breaker as Breaker,
  McpServer_Era as Era,
  type McpServer,
  type McpServer_Health,
  McpServer_HealthSchema,
  McpServerSchema,
  type ServerSharingSchema,
  McpServer_Health_State as State,
} from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { grantMessage } from './oauth-input.ts';
import { timeoutsMessage } from './timeouts.ts';

/**
 * A server as shown: with the names of its headers and variables, and none of their values. Who may use it and not change it
 * sees what kind it is and where, and no arguments, names or query that may say more.
 */
export function toServerMessage(record: ServerRecord, health: ServerHealth, viewer: Principal): McpServer {
  const { timeouts, toolTimeouts = {}, lender, sharedWith } = record;
  const target =
    lender === undefined || viewer.roles.includes('admin') ? record.target : outline(record.target);
  return create(McpServerSchema, {
    id: record.id,
    name: record.name,
    target: toTarget(target),
    headerNames: target.kind === 'http' ? Object.keys(target.headers).sort() : [],
    toolPrefix: record.toolPrefix ?? record.name,
    enabled: record.enabled,
    createTime: timestampFromDate(record.createdAt),
    updateTime: timestampFromDate(record.updatedAt),
    health: toHealth(health),
    era: record.era === undefined ? Era.UNSPECIFIED : ERAS[record.era],
    sharedBy: lender?.userId ?? '',
    ...(sharedWith === undefined ? {} : { sharedWith: sharingMessage(sharedWith) }),
    ...(target.kind === 'http' && target.oauth !== undefined ? { oauth: grantMessage(target.oauth) } : {}),
    ...(timeouts === undefined ? {} : { timeouts: timeoutsMessage(timeouts) }),
    toolTimeouts: Object.fromEntries(
      Object.entries(toolTimeouts).map(([tool, limits]) => [tool, timeoutsMessage(limits)]),
    ),
  });
}

function outline(target: ServerTarget): ServerTarget {
  if (target.kind === 'stdio') return { kind: 'stdio', command: target.command, args: [], env: {} };
  const { origin, pathname } = new URL(target.url);
  return { kind: 'http', url: origin + pathname, headers: {} };
}

function sharingMessage(sharing: Sharing): MessageInitShape<typeof ServerSharingSchema> {
  return 'tenant' in sharing ? { tenant: true } : { roles: [...sharing.roles] };
}

function toTarget(target: ServerTarget): NonNullable<MessageInitShape<typeof McpServerSchema>['target']> {
  if (target.kind === 'http') return { case: 'url', value: target.url };
  const { command, args, env, cwd } = target;
  return {
    case: 'stdio',
    value: { command, args: [...args], envNames: Object.keys(env).sort(), cwd: cwd ?? '' },
  };
}

const ERAS = { legacy: Era.LEGACY, modern: Era.MODERN, 'modern-only': Era.MODERN } as const;

const STATES = { unknown: State.UNKNOWN, ok: State.OK, failing: State.FAILING } as const;

const BREAKERS = { closed: Breaker.CLOSED, open: Breaker.OPEN, 'half-open': Breaker.HALF_OPEN } as const;

function toHealth(health: ServerHealth): McpServer_Health {
  return create(McpServer_HealthSchema, {
    state: STATES[health.state],
    error: health.error ?? '',
    breaker: BREAKERS[health.breaker],
    ...(health.checkedAt === undefined ? {} : { checkTime: timestampFromDate(health.checkedAt) }),
  });
}
