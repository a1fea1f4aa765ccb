import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { z } from 'zod';
import * as kinds from './kinds.ts';
import { type About, aboutOf, optionalSetting, setting } from './setting.ts';
import { telemetrySettings } from './telemetry-settings.ts';

const KIB = 1024;
const MIB = 1024 * KIB;

/** Every setting, once: its key in the configuration, its name, how it is read, its default, what it is for. */
export const settings = z.object({
  deploymentName: setting('DEPLOYMENT_NAME', kinds.plainName, {
    group: 'Profile',
    default: 'default',
    description:
      'Picks the profile: the file `<DEPLOYMENT_NAME>.json` in `DRAGON_CONFIG_DIR`. Environment only.',
  }),
  configDir: setting('DRAGON_CONFIG_DIR', kinds.folder, {
    group: 'Profile',
    default: 'config',
    description: 'Folder of the profile files. Environment only.',
  }),

  host: optionalSetting('DRAGON_HOST', kinds.address, {
    group: 'Addresses',
    defaultNote: '`127.0.0.1`; with `DRAGON_AUTH`, `0.0.0.0`',
    description:
      'Address that all three ports listen on. One that other machines can reach needs `DRAGON_AUTH`, or `DRAGON_ALLOW_UNAUTHENTICATED=true`.',
  }),
  mcpPort: setting('DRAGON_MCP_PORT', kinds.port, {
    group: 'Addresses',
    default: '8081',
    description: 'Port of the MCP endpoint, `/mcp`.',
  }),
  grpcPort: setting('DRAGON_GRPC_PORT', kinds.port, {
    group: 'Addresses',
    default: '8080',
    description: 'Port of the management API: gRPC, gRPC-Web and Connect.',
  }),
  managementPort: setting('DRAGON_MANAGEMENT_PORT', kinds.port, {
    group: 'Addresses',
    default: '8558',
    description: 'Port for operations: `/alive`, `/ready`, `/cluster/members`, `/metrics`.',
  }),
  advertiseAddress: optionalSetting('DRAGON_ADVERTISE_ADDRESS', kinds.reachableAddress, {
    group: 'Addresses',
    defaultNote:
      '`DRAGON_HOST`; where that stands for all addresses, the first one of this machine that others can reach',
    description:
      'Where others reach the MCP endpoint of this node, for `/cluster/members`. Without a port, that of `DRAGON_MCP_PORT`.',
  }),
  nodeId: setting('DRAGON_NODE_ID', kinds.plainName, {
    group: 'Addresses',
    makeDefault: randomNodeId,
    defaultNote: 'the host name, `-` and eight random digits',
    description: 'Name of this node in lists, logs and metrics. Two nodes never share one.',
  }),

  databaseUrl: optionalSetting('DATABASE_URL', kinds.postgresUrl, {
    group: 'Storage',
    secret: true,
    description:
      'PostgreSQL 12 or newer. Without it, an embedded PostgreSQL keeps its data in `DRAGON_DATA_DIR`. `sslmode` and the other parameters of a PostgreSQL URL are understood; behind a pooler in transaction mode add `prepare=false`.',
  }),
  redisUrl: optionalSetting('REDIS_URL', kinds.redisUrl, {
    group: 'Storage',
    secret: true,
    description:
      'Redis 7 or newer, which makes gateways with the same one a cluster: `redis://`, `rediss://`, `redis+sentinel://` or `redis+cluster://` (see [redis.md](redis.md)). Its nodes share `DATABASE_URL` and `DRAGON_ENCRYPTION_KEY`. Without it, a gateway is one node.',
  }),
  redisPrefix: setting('DRAGON_REDIS_PREFIX', kinds.keyPrefix, {
    group: 'Storage',
    default: 'dragon:',
    description: 'Beginning of every Redis key. Clusters that share a Redis differ in it.',
  }),
  dataDir: setting('DRAGON_DATA_DIR', kinds.folder, {
    group: 'Storage',
    default: '~/.dragon',
    description:
      'Folder of the embedded database (`db`) and of its key (`key`). One gateway at a time. It is in the home folder, so that the same servers are there wherever the gateway is started from.',
  }),

  auth: setting('DRAGON_AUTH', kinds.authWays, {
    group: 'Authentication',
    default: 'none',
    description:
      'How callers of the MCP endpoint and of the management API show who they are: by `api-key`, by the `jwt` of an OAuth or OpenID Connect issuer, by headers of a `proxy` in front, or by several of these. `none`: everybody is the one local user. See [authentication.md](authentication.md).',
  }),
  adminApiKey: optionalSetting('DRAGON_ADMIN_API_KEY', kinds.bearerKey, {
    group: 'Authentication',
    secret: true,
    description:
      'A key of the operator’s own choice, which is an admin of the tenant `default`: to make the first API keys with. For `api-key`.',
  }),
  publicUrl: optionalSetting('DRAGON_PUBLIC_URL', kinds.publicUrl, {
    group: 'Authentication',
    description:
      'Where clients reach the gateway, without the `/mcp`. Tokens are given out for this URL with `/mcp`. Browsers come back to it from [log-ins to servers](logins.md). Needed for `jwt`.',
  }),
  jwtIssuers: optionalSetting('DRAGON_JWT_ISSUERS', kinds.issuers, {
    group: 'Authentication',
    description:
      'Who gives out tokens that are accepted, and what is in them; see [authentication.md](authentication.md#tokens). Needed for `jwt`.',
  }),
  tokenExchangeIssuers: optionalSetting('DRAGON_TOKEN_EXCHANGE_ISSUERS', kinds.issuerUrls, {
    group: 'Authentication',
    description:
      'Authorization servers that tokens of callers may be sent to, to be [exchanged for those of servers](logins.md#tokens-of-callers): URLs of issuers, separated by commas. Unset: those of `DRAGON_JWT_ISSUERS`. Whoever is named learns tokens that open this gateway.',
  }),
  proxyAddresses: optionalSetting('DRAGON_PROXY_ADDRESSES', kinds.addresses, {
    group: 'Authentication',
    description:
      'Where connections of the proxy come from whose headers are believed. From anywhere else they mean nothing. Needed for `proxy`.',
  }),
  proxySecret: optionalSetting('DRAGON_PROXY_SECRET', kinds.bearerKey, {
    group: 'Authentication',
    secret: true,
    description:
      'What the proxy has to send in the header `dragon-proxy-secret`, beside coming from its address.',
  }),
  proxyUserHeader: setting('DRAGON_PROXY_USER_HEADER', kinds.headerName, {
    group: 'Authentication',
    default: 'x-forwarded-user',
    description: 'Header in which the proxy names the user.',
  }),
  proxyTenantHeader: setting('DRAGON_PROXY_TENANT_HEADER', kinds.headerName, {
    group: 'Authentication',
    default: 'x-forwarded-tenant',
    description: "Header in which the proxy names the user's tenant. Without it in a request: `default`.",
  }),
  proxyRolesHeader: setting('DRAGON_PROXY_ROLES_HEADER', kinds.headerName, {
    group: 'Authentication',
    default: 'x-forwarded-groups',
    description: "Header in which the proxy lists the user's roles, separated by commas.",
  }),
  proxyAdminRoles: setting('DRAGON_PROXY_ADMIN_ROLES', kinds.plainList, {
    group: 'Authentication',
    default: 'admin',
    description:
      'The roles among these that make an admin. Everybody else is a user; the others can be named in `DRAGON_POLICY`.',
  }),
  policy: optionalSetting('DRAGON_POLICY', kinds.policy, {
    group: 'Authentication',
    defaultNote: 'everybody may use all that they have',
    description: 'Who may use which tools, prompts and resources; see [policy.md](policy.md).',
  }),
  apiKey: optionalSetting('DRAGON_API_KEY', kinds.bearerKey, {
    group: 'Authentication',
    secret: true,
    description: 'Key that the `dragon` command sends. The gateway has no use for it.',
  }),

  allowUnauthenticated: setting('DRAGON_ALLOW_UNAUTHENTICATED', kinds.flag, {
    group: 'Security',
    default: 'false',
    description:
      'Allows an address in `DRAGON_HOST` that other machines can reach although `DRAGON_AUTH` is `none`: whoever reaches the ports may use and change everything.',
  }),
  allowedOrigins: setting('DRAGON_ALLOWED_ORIGINS', kinds.origins, {
    group: 'Security',
    default: '',
    description: 'Origins of web pages that may call, beside those on loopback addresses.',
  }),
  allowedHosts: setting('DRAGON_ALLOWED_HOSTS', kinds.hostNames, {
    group: 'Security',
    default: '',
    description:
      'Names in the `Host` header that are answered, beside the loopback names and `DRAGON_HOST` itself. Other names are refused, which stops DNS rebinding.',
  }),
  allowedNetworks: optionalSetting('DRAGON_ALLOWED_NETWORKS', kinds.networks, {
    group: 'Security',
    defaultNote: '`any` while `DRAGON_AUTH` is `none`; else none',
    description:
      'Where servers with a URL may be, beside the public Internet. It is looked at each connection, at the address that it goes to. See [networks.md](networks.md).',
  }),
  encryptionKeys: setting('DRAGON_ENCRYPTION_KEY', kinds.keyList, {
    group: 'Security',
    secret: true,
    default: '',
    description:
      "Keys that seal the servers' secrets in the database. The first seals, all open: to change keys, put the new one in front on all nodes, run `dragon keys rotate`, and take the old one out. Without one, the embedded database makes its own key in `DRAGON_DATA_DIR`; with `DATABASE_URL`, servers with headers or environment variables are refused.",
  }),

  stdio: setting('DRAGON_STDIO', kinds.oneOf('auto', 'on', 'off'), {
    group: 'Servers',
    default: 'auto',
    description:
      'Whether servers may be commands that the gateway starts as child processes. `auto`: only while `DRAGON_HOST` is a loopback address.',
  }),
  sseEndpoint: setting('DRAGON_SSE_ENDPOINT', kinds.flag, {
    group: 'Addresses',
    default: 'off',
    description: 'Whether clients of the older HTTP+SSE transport are served too, at `/sse` and `/messages`.',
  }),
  builtinTools: setting('DRAGON_BUILTIN_TOOLS', kinds.flag, {
    group: 'Servers',
    default: 'on',
    description: "Whether the gateway's own tools are listed: `echo`, `system_info` and the others.",
  }),
  catalogTtlMs: setting('DRAGON_CATALOG_TTL_MS', kinds.milliseconds, {
    group: 'Servers',
    default: '300000',
    description: "How long a server's lists are used before they are fetched again.",
  }),
  breakerFailures: setting('DRAGON_BREAKER_FAILURES', kinds.integer(1, 1_000_000), {
    group: 'Servers',
    default: '5',
    description:
      'After so many failures in a row a server is left alone for a while: calls to it are refused at once, and then one is let through to see. A call that a server refuses or that its client cancels is no failure; one that it does not answer in time is.',
  }),
  breakerPauseMs: setting('DRAGON_BREAKER_PAUSE_MS', kinds.milliseconds, {
    group: 'Servers',
    default: '2000',
    description:
      'How long a failing server is left alone at first. While it keeps failing the pauses grow to a minute, each drawn at random from the upper half of its length.',
  }),
  probeIntervalMs: setting('DRAGON_PROBE_INTERVAL_MS', kinds.delay, {
    group: 'Servers',
    default: '60000',
    description:
      'How often it is looked whether the servers answer that are reached over HTTP and that nobody has asked meanwhile: one node of the cluster connects to each and leaves again. `0`: never.',
  }),
  pageSize: setting('DRAGON_PAGE_SIZE', kinds.integer(1, 10_000), {
    group: 'Servers',
    default: '1000',
    description: 'Entries in one page of a list sent to MCP clients.',
  }),

  maxBodyBytes: setting('DRAGON_MAX_BODY_BYTES', kinds.integer(KIB, 256 * MIB, ' of bytes'), {
    group: 'Limits',
    default: String(4 * MIB),
    description: 'Largest body of a request that is read.',
  }),
  maxDownstreamMessageBytes: setting(
    'DRAGON_MAX_DOWNSTREAM_MESSAGE_BYTES',
    kinds.integer(KIB, 256 * MIB, ' of bytes'),
    {
      group: 'Limits',
      default: String(64 * MIB),
      description: 'Largest message that is read from a server.',
    },
  ),
  maxJsonDepth: setting('DRAGON_MAX_JSON_DEPTH', kinds.integer(8, 1024), {
    group: 'Limits',
    default: '128',
    description: 'Deepest nesting of objects and arrays in a request.',
  }),
  limits: optionalSetting('DRAGON_LIMITS', kinds.limits, {
    group: 'Limits',
    defaultNote: 'none',
    description:
      'How many calls whom may make in a time, and at once, by tenant, user, role, server and tool; see [limits.md](limits.md).',
  }),
  maxInFlight: setting('DRAGON_MAX_IN_FLIGHT', kinds.integer(1, 1_000_000), {
    group: 'Limits',
    default: '10000',
    description:
      'Requests of clients under way at a time on this node. More are refused with 503. See [overload.md](overload.md) for this and the next four.',
  }),
  maxInFlightPerPrincipal: setting('DRAGON_MAX_IN_FLIGHT_PER_PRINCIPAL', kinds.integer(1, 1_000_000), {
    group: 'Limits',
    default: '5000',
    description: 'The same of one principal. More are refused with 429.',
  }),
  maxInFlightPerServer: setting('DRAGON_MAX_IN_FLIGHT_PER_SERVER', kinds.integer(1, 1_000_000), {
    group: 'Limits',
    default: '1000',
    description:
      'Calls of this node under way at a time at one server of one owner. More are refused with 503, and say nothing about the server.',
  }),
  maxTurnMs: setting('DRAGON_MAX_TURN_MS', kinds.delay, {
    group: 'Limits',
    default: '30',
    description:
      'How long turns of the event loop may be before new calls are refused, the heaviest principals first. It has to be exceeded for a quarter of a second on end. `0`: nothing is refused for lack of time.',
  }),
  maxStreamsPerPrincipal: setting('DRAGON_MAX_STREAMS_PER_PRINCIPAL', kinds.integer(1, 1_000_000), {
    group: 'Limits',
    default: '12000',
    description:
      'Streams of one principal that are open without a request, on this node. More are refused with 429.',
  }),
  maxConnections: setting('DRAGON_MAX_CONNECTIONS', kinds.integer(1, 1_000_000), {
    group: 'Limits',
    default: '25000',
    description:
      'Connections to the MCP port of this node. More are closed as soon as they are made. The limit of open files (`ulimit -n`) has to be higher.',
  }),

  workers: setting('DRAGON_WORKERS', kinds.workers, {
    group: 'Limits',
    default: '1',
    description:
      'Processes that serve the ports together, each with a processor of its own to use; `auto`: as many as the machine has processors. More than one are a cluster on this machine, with or without `REDIS_URL`, and each gets its share of the limits above that count on this node. See [cluster.md](cluster.md#workers).',
  }),

  connectTimeoutMs: setting('DRAGON_CONNECT_TIMEOUT_MS', kinds.milliseconds, {
    group: 'Time limits',
    default: '10000',
    description: 'For connecting to a server over HTTP.',
  }),
  listTimeoutMs: setting('DRAGON_LIST_TIMEOUT_MS', kinds.milliseconds, {
    group: 'Time limits',
    default: '10000',
    description:
      "For fetching one server's lists. A list to a client is complete without the servers that are late.",
  }),
  callTimeoutMs: setting('DRAGON_CALL_TIMEOUT_MS', kinds.milliseconds, {
    group: 'Time limits',
    default: '60000',
    description:
      'For a call to a server, counted from its last sign of life, such as progress. Servers and their tools may have limits of their own.',
  }),
  callMaxTimeoutMs: setting('DRAGON_CALL_MAX_TIMEOUT_MS', kinds.milliseconds, {
    group: 'Time limits',
    default: '600000',
    description:
      'For a call to a server, whatever its progress. Not shorter than `DRAGON_CALL_TIMEOUT_MS`. Servers and their tools may have limits of their own.',
  }),
  parkTimeoutMs: setting('DRAGON_PARK_TIMEOUT_MS', kinds.milliseconds, {
    group: 'Time limits',
    default: '300000',
    description:
      'For a client of MCP 2026-07-28 to come back with the answers that an older server waits for. After it the call is cancelled there.',
  }),
  stdioStartTimeoutMs: setting('DRAGON_STDIO_START_TIMEOUT_MS', kinds.milliseconds, {
    group: 'Time limits',
    default: '60000',
    description: 'For the start of a command, from launch to handshake; `npx` may have to download first.',
  }),
  stdioIdleMs: setting('DRAGON_STDIO_IDLE_MS', kinds.milliseconds, {
    group: 'Time limits',
    default: '600000',
    description: 'A command that nobody has used for so long is stopped; the next call starts it again.',
  }),
  sessionIdleMs: setting('DRAGON_SESSION_IDLE_MS', kinds.milliseconds, {
    group: 'Time limits',
    default: '3600000',
    description: 'A session without requests and without an open stream for so long is ended.',
  }),
  drainDelayMs: optionalSetting('DRAGON_DRAIN_DELAY_MS', kinds.delay, {
    group: 'Time limits',
    defaultNote: '`5000` with `REDIS_URL`, else `0`',
    description:
      'How long a gateway that gets SIGTERM goes on taking requests while it already says that it is not ready: longer than a balancer needs to notice. Not waited for after Ctrl-C.',
  }),
  shutdownTimeoutMs: setting('DRAGON_SHUTDOWN_TIMEOUT_MS', kinds.milliseconds, {
    group: 'Time limits',
    default: '10000',
    description:
      'For calls in flight when the gateway is asked to stop, counted from the end of `DRAGON_DRAIN_DELAY_MS`; then they are cut.',
  }),

  ...telemetrySettings,
});

type SettingKey = keyof typeof settings.shape;

export interface SettingEntry extends About {
  readonly key: SettingKey;
}

/** The settings as a table, for documentation, suggestions and the effective configuration. */
export const settingsTable: readonly SettingEntry[] = settings
  .keyof()
  .options.map((key) => ({ key, ...aboutOf(settings.shape[key]) }));

function randomNodeId(): string {
  const host =
    hostname()
      .replaceAll(/[^A-Za-z0-9.-]/g, '-')
      .replace(/^[.-]+/, '') || 'node';
  return `${host.slice(0, 100)}-${randomBytes(4).toString('hex')}`;
}
