import { durationMs, timestampDate } from '@bufbuild/protobuf/wkt';
import {
  McpServer_Health_Breaker as Breaker,
  type CallTimeouts,
  McpServer_Era as Era,
  type McpServer,
  ServerOAuth_Grant,
  McpServer_Health_State as State,
} from '../gen/dragon/turnstile/api/v1/server_pb.ts';
import { formatDuration } from './durations.ts';
import { cut, fields, table } from './table.ts';

const ERROR_COLUMNS = 60;

/** Servers for people, one a line. */
export function serverTable(servers: readonly McpServer[]): string {
  if (servers.length === 0) return 'No servers yet. Add one: dragon server add NAME --url URL';
  return table(
    ['name', 'health', 'target', 'prefix'],
    servers.map((server) => [
      server.name,
      cut(stateText(server), ERROR_COLUMNS),
      targetText(server),
      server.toolPrefix === '' ? '(none)' : server.toolPrefix,
    ]),
  );
}

/** All that the gateway shows of one server. */
export function serverDetails(server: McpServer): string {
  const stdio = server.target.case === 'stdio' ? server.target.value : undefined;
  const optional: [string, string][] = [
    ['headers', server.headerNames.join(', ')],
    ['variables', stdio?.envNames.join(', ') ?? ''],
    ['folder', stdio?.cwd ?? ''],
  ];
  const limits: [string, string][] = [
    ['timeout', durationText(server.timeouts?.idle)],
    ['max timeout', durationText(server.timeouts?.total)],
    ['tool timeouts', Object.entries(server.toolTimeouts).map(toolTimeoutText).join(', ')],
  ];
  return fields([
    ['name', server.name],
    ['id', server.id],
    [stdio === undefined ? 'url' : 'command', targetText(server)],
    ...optional.filter(([, value]) => value !== ''),
    ['tool prefix', server.toolPrefix === '' ? '(none)' : server.toolPrefix],
    ...limits.filter(([, value]) => value !== ''),
    ...eraField(server),
    ['enabled', server.enabled ? 'yes' : 'no'],
    ...oauthFields(server),
    ...sharingFields(server),
    ['health', healthText(server)],
    ['breaker', breakerText(server)],
    ['added', timeText(server.createTime)],
    ['changed', timeText(server.updateTime)],
  ]);
}

function oauthFields({ oauth }: McpServer): [string, string][] {
  if (oauth === undefined) return [];
  const secret = oauth.privateKeySet ? 'private key set' : 'secret set';
  const isExchange = oauth.grant === ServerOAuth_Grant.TOKEN_EXCHANGE;
  const kind = isExchange ? "callers' own, exchanged as client" : 'client credentials of';
  return [
    ['tokens', `${kind} ${oauth.clientId} (${secret})`],
    ...(oauth.scopes.length === 0 ? [] : [['scopes', oauth.scopes.join(' ')] as [string, string]]),
    ...(oauth.issuer === '' ? [] : [['issuer', oauth.issuer] as [string, string]]),
    ...(oauth.audience === '' ? [] : [['audience', oauth.audience] as [string, string]]),
  ];
}

function sharingFields({ sharedWith, sharedBy }: McpServer): [string, string][] {
  if (sharedWith === undefined) return [];
  const roles = sharedWith.roles.map((role) => `role ${role}`).join(', ');
  return [
    ['shared with', sharedWith.tenant ? 'the tenant' : roles],
    ...(sharedBy === '' ? [] : [['shared by', sharedBy] as [string, string]]),
  ];
}

function targetText({ target }: McpServer): string {
  if (target.case === 'url') return target.value;
  return target.case === 'stdio' ? [target.value.command, ...target.value.args].map(quoted).join(' ') : '';
}

/** As `--command` takes it. */
function quoted(word: string): string {
  if (word !== '' && !/[\s"']/.test(word)) return word;
  return word.includes('"') ? `'${word}'` : `"${word}"`;
}

/** As `--tool-timeout` takes it. */
function toolTimeoutText([tool, { idle, total }]: [string, CallTimeouts]): string {
  return `${tool}=${durationText(idle)}${total === undefined ? '' : `:${durationText(total)}`}`;
}

function durationText(duration: CallTimeouts['idle']): string {
  return duration === undefined ? '' : formatDuration(durationMs(duration));
}

function eraField({ era }: McpServer): [string, string][] {
  if (era === Era.UNSPECIFIED) return [];
  return [['protocol', era === Era.MODERN ? 'without sessions' : 'with sessions']];
}

function healthText({ health }: McpServer): string {
  switch (health?.state) {
    case State.OK:
      return 'ok';
    case State.FAILING:
      return health.error === '' ? 'failing' : `failing: ${health.error}`;
    default:
      return 'not asked yet';
  }
}

function breakerText({ health }: McpServer): string {
  switch (health?.breaker) {
    case Breaker.OPEN:
      return 'open: calls are refused for a while, after failures in a row';
    case Breaker.HALF_OPEN:
      return 'half-open: the next call is let through to see';
    default:
      return 'closed';
  }
}

/** Health in one column, beginning with what keeps calls from the server. */
function stateText(server: McpServer): string {
  // Where a disabled server fails, that is why it is disabled.
  if (!server.enabled && server.health?.state !== State.FAILING) return 'disabled';
  const breaker = server.health?.breaker;
  const closed = breaker !== Breaker.OPEN && breaker !== Breaker.HALF_OPEN;
  return closed
    ? healthText(server)
    : `breaker ${breaker === Breaker.OPEN ? 'open' : 'half-open'}, ${healthText(server)}`;
}

function timeText(time: McpServer['createTime']): string {
  return time === undefined ? '' : timestampDate(time).toISOString();
}
