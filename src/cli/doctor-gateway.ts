import { Code, ConnectError } from '@connectrpc/connect';
import { clockFinding, type Finding, fault, ok, skipped, warning } from '../doctor/finding.ts';
import {
  McpServer_Health_Breaker as Breaker,
  type McpServer,
} from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { GetLoginStatusForMcpServerResponse_State as Login } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { failureOf, socketReason } from './errors.ts';
import { allServers, byName, type Management } from './management.ts';

/** Servers that are asked at a time. */
const AT_ONCE = 8;

/** What a gateway that runs can tell: its nodes, and how the servers of the caller do. */
export async function checkGateway(management: Management, url: string): Promise<readonly Finding[]> {
  try {
    const servers = await allServers(management);
    const findings = [...(await checkNodes(management))];
    for (let start = 0; start < servers.length; start += AT_ONCE) {
      const some = servers.slice(start, start + AT_ONCE).map((server) => checkServer(management, server));
      findings.push(...(await Promise.all(some)).flat());
    }
    if (servers.length === 0)
      findings.push(ok('servers', 'there are none yet: dragon server add NAME --url URL'));
    return findings;
  } catch (error) {
    const reason = socketReason(error);
    if (reason !== undefined)
      return [fault('gateway', `no gateway answers at ${url} (${reason})`, 'Start it: dragon serve')];
    if (error instanceof ConnectError && error.code === Code.Unauthenticated)
      return [
        warning(
          'gateway',
          'it does not know who asks, so servers were not looked at',
          'Give an API key with DRAGON_API_KEY.',
        ),
      ];
    const failure = failureOf(error);
    if (failure === undefined) throw error;
    return [fault('gateway', failure.message, 'See its log.')];
  }
}

async function checkNodes(management: Management): Promise<readonly Finding[]> {
  try {
    const { nodes } = await management.listNodes({ pageSize: 1000 });
    const clocks = nodes.flatMap(({ id, clockAheadMs }) =>
      clockAheadMs === undefined ? [] : [clockFinding(`node ${id}`, 'Redis', Number(clockAheadMs))],
    );
    const versions = [...new Set(nodes.map(({ version }) => version))];
    const nodesFinding =
      versions.length > 1
        ? warning('nodes', `run different versions: ${versions.join(', ')}`, 'Finish the deployment.')
        : ok('nodes', `${nodes.length}, version ${versions.join()}`);
    return [nodesFinding, ...clocks];
  } catch (error) {
    if (error instanceof ConnectError && error.code === Code.PermissionDenied)
      return [skipped('nodes', 'are for admins to see')];
    throw error;
  }
}

async function checkServer(management: Management, server: McpServer): Promise<readonly Finding[]> {
  const check = `server ${server.name}`;
  if (!server.enabled && server.health?.error === '') return [skipped(check, 'is disabled')];
  const login = await management
    .getLoginStatusForMcpServer({ server: byName(server.name) })
    .catch(() => undefined);
  if (login !== undefined && (login.state === Login.LOGGED_OUT || login.state === Login.EXPIRED)) {
    const why = login.state === Login.EXPIRED ? 'the log-in is over' : 'needs a log-in';
    return [fault(check, why, `dragon server login ${server.name}`)];
  }
  const { health } = server;
  if (health?.breaker === Breaker.OPEN) {
    const why = health.error === '' ? '' : `: ${health.error}`;
    return [
      fault(
        check,
        `its calls are refused for a while after failures in a row (breaker open)${why}`,
        `Mend the server; dragon server test ${server.name} tells how it does.`,
      ),
    ];
  }
  return [toFinding(check, server, await management.testMcpServer({ server: byName(server.name) }))];
}

function toFinding(
  check: string,
  server: McpServer,
  { outcome }: Awaited<ReturnType<Management['testMcpServer']>>,
): Finding {
  if (outcome.case === 'success') return ok(check, 'connects');
  const error = outcome.case === 'failure' ? outcome.value.error : 'no answer';
  return fault(
    check,
    `does not connect: ${error}`,
    server.target.case === 'stdio'
      ? 'Run its command by hand as the user of the gateway; dragon server update changes it.'
      : 'Check that its URL can be reached from the gateway; dragon server update changes URL and headers.',
  );
}
