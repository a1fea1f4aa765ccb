import { create, type MessageInitShape } from '@bufbuild/protobuf';
import { timestampFromDate } from '@bufbuild/protobuf/wkt';
import type { ServerHealth } from '../catalog/types.ts';
import type { ServerRecord, ServerTarget } from '../db/server-record.ts';
import {
  McpServer_Health_Breaker as Breaker,
  McpServer_Era as Era,
  type McpServer,
  type McpServer_Health,
  McpServer_HealthSchema,
  McpServerSchema,
  McpServer_Health_State as State,
} from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { timeoutsMessage } from './timeouts.ts';

/** A server as shown: with the names of its headers and variables, and none of their values. */
export function toServerMessage(record: ServerRecord, health: ServerHealth): McpServer {
  const { target, timeouts, toolTimeouts = {} } = record;
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
    ...(timeouts === undefined ? {} : { timeouts: timeoutsMessage(timeouts) }),
    toolTimeouts: Object.fromEntries(
      Object.entries(toolTimeouts).map(([tool, limits]) => [tool, timeoutsMessage(limits)]),
    ),
  });
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
