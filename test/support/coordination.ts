import { randomBytes } from 'node:crypto';
import type { Coordination } from '../../src/coordination/coordination.ts';
import { createRedisCoordination } from '../../src/coordination/redis/index.ts';
import type { StoredLink, StoredSession } from '../../src/coordination/session-store.ts';
import { STREAM_LOG_LIMITS, type StreamLogLimits } from '../../src/coordination/stream-log.ts';
import { Code, GatewayError } from '../../src/protocol/errors.ts';
import type { LogFields, Logger } from '../../src/telemetry/types.ts';

/** Far longer than any test takes. */
export const LONG_MS = 600_000;

export function uniqueId(what: string): string {
  return `${what}-${randomBytes(6).toString('hex')}`;
}

export function makeSession(changes: Partial<StoredSession> = {}): StoredSession {
  return {
    id: uniqueId('session'),
    tenantId: 'acme',
    userId: 'ada',
    roles: ['admin', 'user'],
    protocolVersion: '2025-11-25',
    clientInfo: { name: 'inspector', version: '1.0' },
    capabilities: { sampling: {}, roots: { listChanged: true } },
    createdAt: 1_700_000_000_000,
    ...changes,
  };
}

export function makeLink(changes: Partial<StoredLink> = {}): StoredLink {
  return {
    serverId: 'files',
    revision: 3,
    sessionId: uniqueId('downstream'),
    transport: 'streamable',
    handshake: { capabilities: { tools: {} }, list: [], nested: [{ empty: {} }] },
    ...changes,
  };
}

export function isUnavailable(error: unknown): boolean {
  return error instanceof GatewayError && error.code === Code.Unavailable && error.retryAfter === 1;
}

export function isSessionGone(error: unknown): boolean {
  return error instanceof GatewayError && error.code === Code.SessionNotFound;
}

interface Line {
  readonly level: string;
  readonly message: string;
  readonly fields: LogFields;
}

/** A logger whose lines can be looked at. */
function recordingLogger(): Logger & { readonly lines: readonly Line[] } {
  const lines: Line[] = [];
  const at =
    (level: string) =>
    (message: string, fields: LogFields = {}) => {
      lines.push({ level, message, fields });
    };
  const logger = {
    lines,
    debug: at('debug'),
    info: at('info'),
    warn: at('warn'),
    error: at('error'),
    enabled: () => true,
    child: () => logger,
  };
  return logger;
}

export interface RedisNode extends Coordination {
  readonly lines: readonly Line[];
  /** How often messages may have been missed. */
  gaps(): number;
}

/** A node on a Redis, with its log. */
export async function startRedisNode(
  redis: { readonly url: string; readonly keyPrefix: string },
  nodeId: string,
  options: Partial<Parameters<typeof createRedisCoordination>[0]> = {},
): Promise<RedisNode> {
  const logger = recordingLogger();
  const { url, keyPrefix } = redis;
  // A machine that runs other tests too is slow at times.
  const base = { commandTimeoutMs: 5000, startTimeoutMs: 60_000 };
  const coordination = await createRedisCoordination({ ...base, url, keyPrefix, nodeId, logger, ...options });
  let gaps = 0;
  coordination.bus.onGap(() => {
    gaps++;
  });
  return { ...coordination, lines: logger.lines, gaps: () => gaps };
}

/** Nodes on a Redis that is there once tests run. */
export function nodesOn(redis: () => { readonly url: string; readonly keyPrefix: string }) {
  const nodes: Coordination[] = [];
  return {
    async make(nodeId: string, streamLimits: StreamLogLimits = STREAM_LOG_LIMITS): Promise<Coordination> {
      const node = await startRedisNode(redis(), nodeId, { streamLimits });
      nodes.push(node);
      return node;
    },
    async close(): Promise<void> {
      await Promise.all(nodes.splice(0).map((node) => node.close()));
    },
  };
}
