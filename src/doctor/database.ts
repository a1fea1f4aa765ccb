import type { DatabaseOptions } from '../db/database.ts';
import { type DatabaseReport, inspectDatabase } from '../db/inspect.ts';
import { clockFinding, type Finding, fault, ok, reasonOf, skipped, warning } from './finding.ts';

const CHECK = 'database';

export async function checkDatabase(options: DatabaseOptions): Promise<readonly Finding[]> {
  let report: DatabaseReport;
  try {
    report = await inspectDatabase(options);
  } catch (error) {
    const remedy =
      options.databaseUrl === undefined
        ? 'The message says what to do; a copy of the data folder is the way back.'
        : 'Check that PostgreSQL runs, and that host, port, user, password and name in DATABASE_URL are right (psql "$DATABASE_URL").';
    return [fault(CHECK, reasonOf(error), remedy)];
  }
  if (report.state === 'held')
    return [skipped(CHECK, `the embedded one is held by ${report.by}, and is not looked into meanwhile`)];
  if (report.state === 'absent') return [ok(CHECK, 'the embedded one is made at the first start')];
  return [
    ok(
      CHECK,
      `${report.kind === 'embedded' ? 'embedded PostgreSQL' : 'PostgreSQL'} ${report.version} answers`,
    ),
    migrationFinding(report),
    secretsFinding(report),
    ...(report.kind === 'embedded'
      ? []
      : [clockFinding('this machine', 'the database', report.clockAheadMs)]),
  ];
}

type Open = Extract<DatabaseReport, { state: 'open' }>;

function migrationFinding({ migrations: { isNew, pending, later } }: Open): Finding {
  const check = 'migrations';
  if (isNew) return ok(check, 'the schema is made at the first start');
  if (pending.length > 0)
    return fault(
      check,
      `${pending.length} pending: ${pending.join(', ')}`,
      'Start a gateway of this version: it brings the schema up to date by itself.',
    );
  if (later > 0)
    return warning(
      check,
      `the schema is of a later version (${later} migrations more than this one knows)`,
      'Run the version that the other nodes run.',
    );
  return ok(check, 'the schema is up to date');
}

function secretsFinding({ kind, secrets, hasKey }: Open): Finding {
  const check = 'encryption key';
  if (secrets === undefined) return skipped(check, 'nothing is stored before the schema is up to date');
  if (secrets.unreadable > 0)
    return fault(
      check,
      `${secrets.unreadable} of ${secrets.sealed} stored secrets are sealed with a key that is not there, or were altered`,
      'Add the key that sealed them to DRAGON_ENCRYPTION_KEY, or set these headers, variables and log-ins again.',
    );
  if (!hasKey && kind === 'embedded') return ok(check, 'is made at the next start');
  if (!hasKey)
    return warning(
      check,
      'there is none, so headers, variables and log-ins of servers cannot be stored',
      'Set DRAGON_ENCRYPTION_KEY, the same on all nodes: openssl rand -base64 32',
    );
  return ok(check, `opens all that is stored (${secrets.sealed})`);
}
