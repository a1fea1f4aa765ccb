import { create } from '@bufbuild/protobuf';
import { timestampFromMs } from '@bufbuild/protobuf/wkt';
import type { HandlerContext, ServiceImpl } from '@connectrpc/connect';
import type { Principal } from '../auth/principal.ts';
import type { Member, Members } from '../coordination/members.ts';
import { type Node, NodeSchema, Node_State as State } from '../gen/dragon/turnstile/api/v1/node_pb.ts';
import { type Session, SessionSchema } from '../gen/dragon/turnstile/api/v1/session_pb.ts';
import type { TurnstileService } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import type { SessionDirectory, SessionFacts } from '../session/directory.ts';
import { callerOf, requireAdmin } from './caller.ts';
import { decodeToken, encodeToken, pageByKey, toPageRequest } from './pages.ts';

type SessionMethods = Pick<ServiceImpl<typeof TurnstileService>, 'listNodes' | 'listSessions' | 'endSession'>;

export interface SessionDependencies {
  readonly members: Pick<Members, 'list'>;
  readonly sessions: Pick<SessionDirectory, 'page' | 'end'>;
  /** The node that answers. */
  readonly nodeId: string;
}

const STATES: Readonly<Record<Member['state'], State>> = {
  joining: State.JOINING,
  ready: State.READY,
  draining: State.DRAINING,
  gone: State.GONE,
};

/** The part of the management API that is about what runs: nodes, and sessions of clients. */
export function createSessionMethods({ members, sessions, nodeId }: SessionDependencies): SessionMethods {
  return {
    async listNodes(request, context: HandlerContext) {
      requireAdmin(callerOf(context), 'see the nodes');
      const page = pageByKey(await members.list(), ({ id }) => id, toPageRequest(request));
      return {
        nodes: page.items.map(toNode),
        nextPageToken: page.nextPageToken ?? '',
        totalSize: page.total,
        answeringNode: nodeId,
        time: timestampFromMs(Date.now()),
      };
    },

    async listSessions(request, context: HandlerContext) {
      const caller = callerOf(context);
      const { pageSize, pageToken } = toPageRequest(request);
      const after = pageToken === undefined ? undefined : decodeToken(pageToken);
      const { items, next, total } = await sessions.page(whose(caller, request.userId), after, pageSize);
      return {
        sessions: items.map(toSession),
        nextPageToken: next === undefined ? '' : encodeToken(next),
        totalSize: total,
      };
    },

    async endSession({ id }, context: HandlerContext) {
      const caller = callerOf(context);
      // To a user the session of another is as unknown as one that never was.
      return { session: toSession(await sessions.end(whose(caller, ''), id)) };
    },
  };
}

/** A user's own sessions; to an admin, those of its tenant, or of one user of it. */
function whose(caller: Principal, userId: string): { readonly tenantId: string; readonly userId?: string } {
  const { tenantId } = caller;
  if (caller.roles.includes('admin')) return userId === '' ? { tenantId } : { tenantId, userId };
  if (userId !== '' && userId !== caller.userId) requireAdmin(caller, 'see the sessions of others');
  return { tenantId, userId: caller.userId };
}

function toNode({ id, address, version, started, sessions, streams, state, clockAheadMs }: Member): Node {
  return create(NodeSchema, {
    id,
    address,
    version,
    startTime: timestampFromMs(Date.parse(started)),
    sessionCount: sessions,
    streamCount: streams,
    state: STATES[state],
    ...(clockAheadMs === undefined ? {} : { clockAheadMs: BigInt(Math.round(clockAheadMs)) }),
  });
}

function toSession(facts: SessionFacts): Session {
  return create(SessionSchema, {
    id: facts.mark,
    userId: facts.userId,
    protocolVersion: facts.protocolVersion,
    clientName: facts.client.name,
    clientVersion: facts.client.version,
    createTime: timestampFromMs(facts.createdAt),
    lastUseTime: timestampFromMs(facts.lastUsedAt),
    nodes: [...facts.nodes],
    streamNode: facts.streamNode ?? '',
    streamCount: facts.streams,
    requestCount: facts.requests,
  });
}
