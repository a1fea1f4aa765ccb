import type { ApiKeyScope } from './api-key-record.ts';
import {
  bigint,
  boolean,
  check,
  foreignKey,
  index,
  integer,
  jsonb,
  pgSchema,
  primaryKey,
  sql,
  text,
  timestamp,
  unique,
  uuid,
} from './drizzle.ts';
import type { LoginChallenge } from './oauth-record.ts';
import type { CallTimeouts, Sharing, ToolTimeouts } from './server-record.ts';

/*
 * docs/schema.md tells what each table is for. After a change here: `npx drizzle-kit generate`, which writes the
 * next migration to drizzle/. A migration has to run on PostgreSQL 12 and to leave the previous version working.
 */

/** A schema of its own, so that the database may be shared with other applications. */
export const dragon = pgSchema('dragon');

const moment = (name: string) => timestamp(name, { withTimezone: true, mode: 'date' }).notNull().defaultNow();

export const tenants = dragon.table('tenants', {
  id: text('id').primaryKey(),
  createdAt: moment('created_at'),
});

export const users = dragon.table(
  'users',
  {
    tenantId: text('tenant_id').notNull(),
    id: text('id').notNull(),
    createdAt: moment('created_at'),
  },
  (table) => [
    primaryKey({ name: 'users_pkey', columns: [table.tenantId, table.id] }),
    foreignKey({
      name: 'users_tenant_fkey',
      columns: [table.tenantId],
      foreignColumns: [tenants.id],
    }).onDelete('cascade'),
  ],
);

export const servers = dragon.table(
  'servers',
  {
    id: uuid('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    userId: text('user_id').notNull(),
    ordinal: bigint('ordinal', { mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
    name: text('name').notNull(),
    kind: text('kind', { enum: ['http', 'stdio'] }).notNull(),
    url: text('url'),
    sealedHeaders: text('sealed_headers'),
    sealedOAuth: text('sealed_oauth'),
    command: text('command'),
    args: jsonb('args').$type<readonly string[]>(),
    cwd: text('cwd'),
    sealedEnv: text('sealed_env'),
    toolPrefix: text('tool_prefix'),
    enabled: boolean('enabled').notNull(),
    timeouts: jsonb('timeouts').$type<CallTimeouts>(),
    toolTimeouts: jsonb('tool_timeouts').$type<ToolTimeouts>(),
    sharedWith: jsonb('shared_with').$type<Sharing>(),
    era: text('era', { enum: ['legacy', 'modern', 'modern-only'] }),
    revision: integer('revision').notNull().default(1),
    createdAt: moment('created_at'),
    updatedAt: moment('updated_at'),
  },
  (table) => [
    foreignKey({
      name: 'servers_owner_fkey',
      columns: [table.tenantId, table.userId],
      foreignColumns: [users.tenantId, users.id],
    }).onDelete('cascade'),
    unique('servers_owner_name_key').on(table.tenantId, table.userId, table.name),
    index('servers_shared_idx').on(table.tenantId).where(sql`${table.sharedWith} is not null`),
    unique('servers_owner_ordinal_key').on(table.tenantId, table.userId, table.ordinal),
    check('servers_name_check', sql`${table.name} ~ '^[A-Za-z0-9_-]{1,64}$'`),
    check(
      'servers_target_check',
      sql`(${table.kind} = 'http' and ${table.url} is not null and ${table.command} is null) or (${table.kind} = 'stdio' and ${table.command} is not null and ${table.args} is not null and ${table.url} is null)`,
    ),
  ],
);

export const apiKeys = dragon.table(
  'api_keys',
  {
    id: text('id').primaryKey(),
    tenantId: text('tenant_id').notNull(),
    userId: text('user_id').notNull(),
    ordinal: bigint('ordinal', { mode: 'number' }).notNull().generatedAlwaysAsIdentity(),
    name: text('name').notNull(),
    hash: text('hash').notNull(),
    scopes: jsonb('scopes').$type<readonly ApiKeyScope[]>().notNull(),
    createdAt: moment('created_at'),
    expiresAt: timestamp('expires_at', { withTimezone: true, mode: 'date' }),
    revokedAt: timestamp('revoked_at', { withTimezone: true, mode: 'date' }),
    lastUsedAt: timestamp('last_used_at', { withTimezone: true, mode: 'date' }),
  },
  (table) => [
    foreignKey({
      name: 'api_keys_owner_fkey',
      columns: [table.tenantId, table.userId],
      foreignColumns: [users.tenantId, users.id],
    }).onDelete('cascade'),
    unique('api_keys_owner_ordinal_key').on(table.tenantId, table.userId, table.ordinal),
  ],
);

/** Partitioned by `time`, which drizzle-kit does not know: its migration says so by hand, and `event-partitions.ts` makes the parts. */
export const events = dragon.table(
  'events',
  {
    id: uuid('id').notNull(),
    time: timestamp('time', { withTimezone: true, mode: 'date', precision: 3 }).notNull(),
    tenantId: text('tenant_id').notNull(),
    userId: text('user_id'),
    type: text('type').notNull(),
    action: text('action').notNull(),
    outcome: text('outcome').notNull(),
    server: text('server'),
    tool: text('tool'),
    session: text('session'),
    node: text('node').notNull(),
    durationUs: bigint('duration_us', { mode: 'number' }),
    requestBytes: bigint('request_bytes', { mode: 'number' }),
    answerBytes: bigint('answer_bytes', { mode: 'number' }),
    detail: text('detail'),
    ordinal: bigint('ordinal', { mode: 'number' }).notNull(),
    hash: text('hash').notNull(),
  },
  (table) => [
    primaryKey({ name: 'events_pkey', columns: [table.tenantId, table.time, table.id] }),
    index('events_ordinal_idx').on(table.tenantId, table.ordinal),
    index('events_user_idx').on(table.tenantId, table.userId, table.time, table.id),
    index('events_server_idx').on(table.tenantId, table.server, table.time, table.id),
    index('events_tool_idx').on(table.tenantId, table.tool, table.time, table.id),
    // Nearly all are calls, and nearly all of these end well: those are found soon without.
    index('events_type_idx')
      .on(table.tenantId, table.type, table.time, table.id)
      .where(sql`${table.type} <> 'call'`),
    index('events_outcome_idx')
      .on(table.tenantId, table.outcome, table.time, table.id)
      .where(sql`${table.outcome} <> 'ok'`),
  ],
);

export const eventChains = dragon.table('event_chains', {
  tenantId: text('tenant_id').primaryKey(),
  ordinal: bigint('ordinal', { mode: 'number' }).notNull().default(0),
  hash: text('hash').notNull().default(''),
  anchorOrdinal: bigint('anchor_ordinal', { mode: 'number' }).notNull().default(0),
  anchorHash: text('anchor_hash').notNull().default(''),
});

export const eventStubs = dragon.table(
  'event_stubs',
  {
    tenantId: text('tenant_id').notNull(),
    ordinal: bigint('ordinal', { mode: 'number' }).notNull(),
    hash: text('hash').notNull(),
  },
  (table) => [primaryKey({ name: 'event_stubs_pkey', columns: [table.tenantId, table.ordinal] })],
);

/** What every log-in is bound to: a server, and who uses it, its owner or whom it is shared with. */
const ofServer = () => ({
  serverId: uuid('server_id').notNull(),
  tenantId: text('tenant_id').notNull(),
  userId: text('user_id').notNull(),
});

export const oauthTokens = dragon.table(
  'oauth_tokens',
  {
    ...ofServer(),
    url: text('url').notNull(),
    state: text('state', { enum: ['needed', 'active', 'expired'] }).notNull(),
    version: integer('version').notNull().default(1),
    challenge: jsonb('challenge').$type<LoginChallenge>(),
    sealed: text('sealed'),
    claimedUntil: timestamp('claimed_until', { withTimezone: true, mode: 'date' }),
    updatedAt: moment('updated_at'),
  },
  (table) => [
    primaryKey({ name: 'oauth_tokens_pkey', columns: [table.serverId, table.tenantId, table.userId] }),
    foreignKey({
      name: 'oauth_tokens_server_fkey',
      columns: [table.serverId],
      foreignColumns: [servers.id],
    }).onDelete('cascade'),
  ],
);

export const oauthClients = dragon.table(
  'oauth_clients',
  { ...ofServer(), issuer: text('issuer').notNull(), sealed: text('sealed').notNull() },
  (table) => [
    primaryKey({ name: 'oauth_clients_pkey', columns: [table.serverId, table.issuer] }),
    foreignKey({
      name: 'oauth_clients_server_fkey',
      columns: [table.serverId],
      foreignColumns: [servers.id],
    }).onDelete('cascade'),
  ],
);

export const oauthLogins = dragon.table(
  'oauth_logins',
  {
    ...ofServer(),
    ticketHash: text('ticket_hash').primaryKey(),
    stateHash: text('state_hash'),
    scopes: jsonb('scopes').$type<readonly string[]>().notNull(),
    sealed: text('sealed'),
    createdAt: moment('created_at'),
  },
  (table) => [
    foreignKey({
      name: 'oauth_logins_server_fkey',
      columns: [table.serverId],
      foreignColumns: [servers.id],
    }).onDelete('cascade'),
    unique('oauth_logins_state_key').on(table.stateHash),
    index('oauth_logins_server_idx').on(table.serverId),
  ],
);
