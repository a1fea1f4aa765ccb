import { type Timestamp, timestampDate, timestampFromMs } from '@bufbuild/protobuf/wkt';
import {
  type ApiKey,
  ApiKeySchema,
  ApiKey_Scope as Scope,
} from '../gen/dragon/turnstile/api/v1/api_key_pb.ts';
import { CreateApiKeyResponseSchema } from '../gen/dragon/turnstile/api/v1/turnstile_service_pb.ts';
import { type GlobalOptions, type Io, print } from './io.ts';
import type { KeyScope } from './key-scopes.ts';
import { type Management, messageJson } from './management.ts';
import { table } from './table.ts';

const PAGE_SIZE = 1000;

const SCOPES: Readonly<Record<KeyScope, Scope>> = {
  mcp: Scope.MCP,
  manage: Scope.MANAGE,
  admin: Scope.ADMIN,
};

export interface KeySpec {
  readonly name: string;
  readonly scopes: readonly KeyScope[];
  readonly roles: readonly string[];
  /** Undefined: the caller. */
  readonly user: string | undefined;
  /** Undefined: for ever. */
  readonly lifetimeMs: number | undefined;
}

/** The key alone goes to standard output, so that it can be piped to where it is kept. */
export async function createKey(io: Io, options: GlobalOptions, management: Management, spec: KeySpec) {
  const { name, scopes, roles, user = '', lifetimeMs } = spec;
  const response = await management.createApiKey({
    name,
    scopes: scopes.map((scope) => SCOPES[scope]),
    roles: [...roles],
    userId: user,
    ...(lifetimeMs === undefined ? {} : { expireTime: timestampFromMs(Date.now() + lifetimeMs) }),
  });
  print(io, options, messageJson(CreateApiKeyResponseSchema, response), () => response.key);
  if (!options.json)
    io.err('It is not shown again. Clients send it as the header Authorization: Bearer KEY.\n');
}

export async function listKeys(
  io: Io,
  options: GlobalOptions,
  management: Management,
  user: string | undefined,
) {
  const keys: ApiKey[] = [];
  let pageToken = '';
  do {
    const page = await management.listApiKeys({ userId: user ?? '', pageSize: PAGE_SIZE, pageToken });
    keys.push(...page.apiKeys);
    pageToken = page.nextPageToken;
  } while (pageToken !== '');
  const json = keys.map((key) => messageJson(ApiKeySchema, key));
  print(io, options, json, () => keyTable(keys));
}

export async function revokeKey(io: Io, options: GlobalOptions, management: Management, id: string) {
  const { apiKey } = await management.revokeApiKey({ id });
  if (apiKey === undefined) return;
  print(io, options, messageJson(ApiKeySchema, apiKey), () => `Revoked ${apiKey.name}.`);
}

function keyTable(keys: readonly ApiKey[]): string {
  if (keys.length === 0) return 'No API keys yet. Make one: dragon key create NAME';
  return table(
    ['id', 'name', 'opens', 'roles', 'state', 'created', 'last used'],
    keys.map((key) => [
      key.id,
      key.name,
      scopesText(key),
      key.roles.join(', '),
      stateText(key),
      dayOf(key.createTime),
      dayOf(key.lastUseTime),
    ]),
  );
}

function scopesText({ scopes }: ApiKey): string {
  const names = Object.entries(SCOPES).flatMap(([name, scope]) => (scopes.includes(scope) ? [name] : []));
  return names.join(',');
}

function stateText({ revokeTime, expireTime }: ApiKey): string {
  if (revokeTime !== undefined) return 'revoked';
  if (expireTime === undefined) return 'good';
  return `${timestampDate(expireTime) > new Date() ? 'until' : 'expired'} ${dayOf(expireTime)}`;
}

function dayOf(time: Timestamp | undefined): string {
  return time === undefined ? 'never' : timestampDate(time).toISOString().slice(0, 10);
}
