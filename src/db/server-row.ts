import { z } from 'zod';
import type { Owner } from '../auth/principal.ts';
import { GatewayError } from '../protocol/errors.ts';
import type { ServerColumns, ServerRow } from './owned-servers.ts';
import type { Sealer, SealPlace } from './seal.ts';
import type { ServerRecord, ServerTarget } from './server-record.ts';

type TargetColumns = Pick<
  ServerColumns,
  'kind' | 'url' | 'sealedHeaders' | 'command' | 'args' | 'cwd' | 'sealedEnv'
>;
type Secrets = Readonly<Record<string, string>>;

const secretsSchema = z.record(z.string(), z.string());

/** The columns of a target, all of them, so that nothing of an earlier target of the other kind is left. */
export function targetColumns(
  sealer: Sealer,
  owner: Owner,
  serverId: string,
  target: ServerTarget,
): TargetColumns {
  const none = { url: null, sealedHeaders: null, command: null, args: null, cwd: null, sealedEnv: null };
  if (target.kind === 'http') {
    const sealedHeaders = seal(sealer, target.headers, { owner, serverId, field: 'headers' });
    return { ...none, kind: 'http', url: target.url, sealedHeaders };
  }
  const { command, args, cwd = null } = target;
  const sealedEnv = seal(sealer, target.env, { owner, serverId, field: 'env' });
  return { ...none, kind: 'stdio', command, args, cwd, sealedEnv };
}

export function toRecord(sealer: Sealer, row: ServerRow): ServerRecord {
  const owner: Owner = { tenantId: row.tenantId, userId: row.userId };
  const secrets = openSecrets(sealer, owner, row);
  const readable = typeof secrets !== 'string';
  return {
    id: row.id,
    owner,
    name: row.name,
    target: toTarget(row, readable ? secrets : {}),
    ...(row.toolPrefix === null ? {} : { toolPrefix: row.toolPrefix }),
    enabled: row.enabled && readable,
    ...(row.timeouts === null ? {} : { timeouts: row.timeouts }),
    ...(row.toolTimeouts === null ? {} : { toolTimeouts: row.toolTimeouts }),
    ...(row.sharedWith === null ? {} : { sharedWith: row.sharedWith }),
    ...(row.era === null ? {} : { era: row.era }),
    ordinal: row.ordinal,
    revision: row.revision,
    createdAt: row.createdAt,
    updatedAt: row.updatedAt,
    ...(readable ? {} : { unreadable: secrets }),
  };
}

function toTarget(row: ServerRow, secrets: Secrets): ServerTarget {
  // The table's check constraint makes the columns of the kind present.
  if (row.kind === 'http') return { kind: 'http', url: row.url ?? '', headers: secrets };
  const target = { kind: 'stdio', command: row.command ?? '', args: row.args ?? [], env: secrets } as const;
  return row.cwd === null ? target : { ...target, cwd: row.cwd };
}

function seal(sealer: Sealer, secrets: Secrets, place: SealPlace): string | null {
  // Sealed as one, so that the names are as hidden as the values.
  return Object.keys(secrets).length === 0 ? null : sealer.seal(JSON.stringify(secrets), place);
}

/** The secrets, or the reason why they cannot be opened: one server's lost key must not take away all the others. */
function openSecrets(sealer: Sealer, owner: Owner, row: ServerRow): Secrets | string {
  const field = row.kind === 'http' ? 'headers' : 'env';
  const sealed = row.kind === 'http' ? row.sealedHeaders : row.sealedEnv;
  if (sealed === null) return {};
  try {
    return secretsSchema.parse(JSON.parse(sealer.open(sealed, { owner, serverId: row.id, field })));
  } catch (error) {
    if (error instanceof GatewayError) return error.message;
    throw error;
  }
}
