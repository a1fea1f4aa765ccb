import { z } from 'zod';
import type { Owner } from '../auth/principal.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { ServerColumns, ServerRow } from './owned-servers.ts';
import type { Sealer, SealPlace } from './seal.ts';
import type { ClientGrant, SecretField, ServerRecord, ServerTarget } from './server-record.ts';

type TargetColumns = Pick<
  ServerColumns,
  'kind' | 'url' | 'sealedHeaders' | 'sealedOAuth' | 'command' | 'args' | 'cwd' | 'sealedEnv'
>;
type Secrets = Readonly<Record<string, string>>;

const secretsSchema = z.record(z.string(), z.string());

const grantSchema = z.object({
  grant: z.enum(['client_credentials', 'token_exchange']),
  clientId: z.string(),
  authMethod: z.enum(['client_secret_basic', 'client_secret_post', 'private_key_jwt']),
  clientSecret: z.string().exactOptional(),
  privateKey: z.string().exactOptional(),
  scopes: z.array(z.string()),
  issuer: z.string().exactOptional(),
  audience: z.string().exactOptional(),
});

/** What of a row's secrets could be opened. */
interface Opened {
  readonly secrets: Secrets;
  readonly oauth: ClientGrant | undefined;
  readonly lost: readonly SecretField[];
  /** Why the first of these can't be. */
  readonly reason: string | undefined;
}

/** The columns of a target, all of them, so that nothing of an earlier target of the other kind is left. */
export function targetColumns(
  sealer: Sealer,
  owner: Owner,
  serverId: string,
  target: ServerTarget,
): TargetColumns {
  const none = {
    url: null,
    sealedHeaders: null,
    sealedOAuth: null,
    command: null,
    args: null,
    cwd: null,
    sealedEnv: null,
  };
  if (target.kind === 'http') {
    const sealedHeaders = seal(sealer, target.headers, { owner, serverId, field: 'headers' });
    const { oauth } = target;
    const place = { owner, serverId, field: 'oauth_grant' } as const;
    const sealedOAuth = oauth === undefined ? null : sealer.seal(JSON.stringify(oauth), place);
    return { ...none, kind: 'http', url: target.url, sealedHeaders, sealedOAuth };
  }
  const { command, args, cwd = null } = target;
  const sealedEnv = seal(sealer, target.env, { owner, serverId, field: 'env' });
  return { ...none, kind: 'stdio', command, args, cwd, sealedEnv };
}

export function toRecord(sealer: Sealer, row: ServerRow): ServerRecord {
  const owner: Owner = { tenantId: row.tenantId, userId: row.userId };
  const opened = openSecrets(sealer, owner, row);
  const { lost, reason } = opened;
  return {
    id: row.id,
    owner,
    name: row.name,
    target: toTarget(row, opened),
    ...(row.toolPrefix === null ? {} : { toolPrefix: row.toolPrefix }),
    enabled: row.enabled && reason === undefined,
    ...(row.timeouts === null ? {} : { timeouts: row.timeouts }),
    ...(row.toolTimeouts === null ? {} : { toolTimeouts: row.toolTimeouts }),
    ...(row.sharedWith === null ? {} : { sharedWith: row.sharedWith }),
    ...(row.era === null ? {} : { era: row.era }),
    ordinal: row.ordinal,
    revision: row.revision,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    ...(reason === undefined ? {} : { unreadable: reason, lost }),
  };
}

function toTarget(row: ServerRow, { secrets, oauth }: Opened): ServerTarget {
  // The table's check constraint makes the columns of the kind present.
  if (row.kind === 'http')
    return { kind: 'http', url: row.url ?? '', headers: secrets, ...(oauth === undefined ? {} : { oauth }) };
  const target = { kind: 'stdio', command: row.command ?? '', args: row.args ?? [], env: secrets } as const;
  return row.cwd === null ? target : { ...target, cwd: row.cwd };
}

function seal(sealer: Sealer, secrets: Secrets, place: SealPlace): string | null {
  // Sealed as one, so that the names are as hidden as the values.
  return Object.keys(secrets).length === 0 ? null : sealer.seal(JSON.stringify(secrets), place);
}

/** What can't be opened is told, and no error: one server's lost key must not take away all the others. */
function openSecrets(sealer: Sealer, owner: Owner, row: ServerRow): Opened {
  const lost: SecretField[] = [];
  let reason: string | undefined;
  const open = <T>(sealed: string | null, as: SecretField, place: SealPlace, schema: z.ZodType<T>) => {
    if (sealed === null) return undefined;
    try {
      return schema.parse(JSON.parse(sealer.open(sealed, place)));
    } catch (error) {
      if (!(error instanceof GatewayError)) throw error;
      lost.push(as);
      reason ??= error.message;
      return undefined;
    }
  };
  const field = row.kind === 'http' ? 'headers' : 'env';
  const sealed = row.kind === 'http' ? row.sealedHeaders : row.sealedEnv;
  const secrets = open(sealed, field, { owner, serverId: row.id, field }, secretsSchema) ?? {};
  const place = { owner, serverId: row.id, field: 'oauth_grant' } as const;
  const oauth = row.kind === 'http' ? open(row.sealedOAuth, 'oauth', place, grantSchema) : undefined;
  return { secrets, oauth, lost, reason };
}
