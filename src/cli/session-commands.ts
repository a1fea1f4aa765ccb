import { type Node, NodeSchema, Node_State as State } from '../gen/dragon/turnstile/api/v1/node_pb.ts';
import { type Session, SessionSchema } from '../gen/dragon/turnstile/api/v1/session_pb.ts';
import { EndSessionResponseSchema } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { ageOf } from './ages.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import { type Management, messageJson } from './management.ts';
import { cut, table } from './table.ts';

const PAGE_SIZE = 1000;

export async function listNodes(io: Io, options: GlobalOptions, management: Management) {
  const nodes: Node[] = [];
  let pageToken = '';
  do {
    const page = await management.listNodes({ pageSize: PAGE_SIZE, pageToken });
    nodes.push(...page.nodes);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  const json = nodes.map((node) => messageJson(NodeSchema, node));
  print(io, options, json, () =>
    table(
      ['node', 'state', 'address', 'version', 'up', 'sessions', 'streams', 'clock'],
      nodes.map(nodeCells),
    ),
  );
}

export async function listSessions(
  io: Io,
  options: GlobalOptions,
  management: Management,
  user: string | undefined,
  limit: number,
) {
  const sessions: Session[] = [];
  let pageToken = '';
  let total = 0;
  do {
    const pageSize = Math.min(PAGE_SIZE, limit - sessions.length);
    const page = await management.listSessions({ userId: user ?? '', pageSize, pageToken });
    sessions.push(...page.sessions);
    pageToken = page.nextPageToken;
    total = page.totalSize;
  } while (pageToken !== '' && sessions.length < limit);
  const json = sessions.map((session) => messageJson(SessionSchema, session));
  print(io, options, json, () =>
    sessions.length === 0
      ? 'No sessions. Clients of MCP 2026-07-28 and later have none.'
      : table(
          ['session', 'user', 'client', 'mcp', 'age', 'unused', 'streams', 'running', 'stream at', 'nodes'],
          sessions.map(sessionCells),
        ),
  );
  if (!options.json && pageToken !== '') io.err(`${total} in all; show more with --limit.\n`);
}

export async function endSession(io: Io, options: GlobalOptions, management: Management, id: string) {
  const response = await management.endSession({ id });
  const { session } = response;
  print(
    io,
    options,
    messageJson(EndSessionResponseSchema, response),
    () => `Ended session ${id} of ${session?.userId ?? '?'}. Its client is told to initialize again.`,
  );
}

const STATES: Readonly<Record<State, string>> = {
  [State.UNSPECIFIED]: '?',
  [State.JOINING]: 'joining',
  [State.READY]: 'ready',
  [State.DRAINING]: 'draining',
  [State.GONE]: 'gone',
};

function nodeCells(node: Node): string[] {
  const { id, state, address, version, startTime, sessionCount, streamCount, clockAheadMs } = node;
  const clock =
    clockAheadMs === undefined ? '' : `${clockAheadMs < 0n ? '' : '+'}${clockAheadMs.toString()} ms`;
  return [
    id,
    STATES[state] ?? '?',
    address,
    version,
    ageOf(startTime),
    String(sessionCount),
    String(streamCount),
    clock,
  ];
}

function sessionCells(session: Session): string[] {
  const { id, userId, clientName, clientVersion, protocolVersion, createTime, lastUseTime } = session;
  return [
    id,
    cut(userId, 40),
    cut(`${clientName} ${clientVersion}`, 40),
    protocolVersion,
    ageOf(createTime),
    ageOf(lastUseTime),
    String(session.streamCount),
    String(session.requestCount),
    session.streamNode,
    session.nodes.join(','),
  ];
}
